// Makes four calls with the types that openapi-typescript generates; prints what came as JSON.
import createClient from "openapi-fetch";
import type { paths } from "./generated";

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2] });

// A list may come as CSV and prices as a bare array too; these calls ask for neither.
function object<T>(data: T | undefined): Exclude<T, string | unknown[]> {
  if (data === undefined || typeof data === "string" || Array.isArray(data)) throw new Error("a call failed");
  return data as Exclude<T, string | unknown[]>;
}

async function main(): Promise<void> {
  const contract = { option: "HPHC", power_kva: 6 } as const;
  const ofDay = { supplier: "EDF", on: "2026-01-05", ...contract };
  const ofSpan = { off_peak_hours: ["22:30-06:30"], from: "2026-01-05", to: "2026-01-06", ...contract };
  const listed = object((await client.GET("/v1/tariffs", { params: { query: ofDay } })).data);
  const compared = object((await client.GET("/v1/bills", { params: { query: { kwh: 5000, power_kva: 6 } } })).data);
  const overTime = object((await client.GET("/v1/prices", { params: { query: ofSpan } })).data);
  const base = { option: "BASE", power_kva: 6 } as const;
  const now = object((await client.GET("/v1/prices/now", { params: { query: base } })).data);
  const { error } = await client.GET("/v1/tariffs", { params: { query: { cursor: "none of ours" } } });
  const said = {
    tariffs: listed.tariffs.map((one) => one.option),
    bills: [compared.span.start, compared.ranking.length, compared.ranking[0].option],
    prices: overTime.prices.map((one) => one.register),
    price_now: [now.contract.offer, now.register, /[+Z]/.test(now.at)],
    problem: [error?.status, error?.faults?.[0].code],
  };
  console.log(JSON.stringify(said));
}

void main();
