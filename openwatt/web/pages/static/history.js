// Draws the prices that the tables of the page say, as steps over time. Without it the tables remain.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const figure = document.getElementById("chart");
  const tables = [...document.querySelectorAll("table[data-chart]")];
  if (!figure || !tables.length || typeof uPlot === "undefined") return;
  figure.hidden = false;
  const plot = figure.querySelector(".plot");
  const language = document.documentElement.lang;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colours = {
    BASE: "--base", HP: "--day", HC: "--night", HSC: "--third", SEM: "--day", WE: "--third", HN: "--day", PM: "--rouge",
    HPH: "--day", HCH: "--night", HPB: "--third", HCB: "--fourth", BLEU_HP: "--bleu", BLEU_HC: "--bleu-soft",
    BLANC_HP: "--edge", BLANC_HC: "--blanc-soft", ROUGE_HP: "--rouge", ROUGE_HC: "--rouge-soft",
    HIVER_HP: "--day", HIVER_HC: "--night", HIVER_HSC: "--third", ETE_HP: "--fourth", ETE_HC: "--bleu", ETE_HSC: "--bleu-soft",
    ECO_HP: "--day", ECO_HC: "--night", SOBRIETE_HP: "--rouge", SOBRIETE_HC: "--rouge-soft",
  };
  const seconds = (text) => Date.parse(text + "T00:00:00Z") / 1000;
  const price = new Intl.NumberFormat(language, { minimumFractionDigits: 4 });
  const short = new Intl.NumberFormat(language, { minimumFractionDigits: 2 });
  const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });

  // One curve for each register of each table: a price from its first day, and none after its last.
  const curves = tables.flatMap((table) =>
    [...table.querySelectorAll("th[data-register]")].map((head) => {
      const points = new Map();
      // The newest row stands first; time runs the other way.
      for (const row of [...table.tBodies[0].rows].reverse()) {
        const cell = row.cells[head.cellIndex].querySelector("data");
        const [from, to] = [row.cells[0], row.cells[1]].map((one) => one.querySelector("time"));
        points.set(seconds(from.dateTime), cell ? Number(cell.value) : null);
        if (to) points.set(seconds(to.dateTime) + 86400, null);
        else points.set(Math.max(Math.floor(Date.now() / 1000), seconds(from.dateTime)), cell ? Number(cell.value) : null);
        const again = row.previousElementSibling?.querySelector("time");
        if (again) points.delete(seconds(again.dateTime));
      }
      const name = head.textContent.trim();
      const beside = "beside" in table.dataset;
      return { name: tables.length > 1 ? `${table.dataset.chart}, ${name}` : name, register: head.dataset.register, beside, points };
    }),
  );
  const days = [...new Set(curves.flatMap((curve) => [...curve.points.keys()]))].sort((a, b) => a - b);
  const values = curves.map(({ points }) => {
    let last;
    const lastDay = Math.max(...points.keys());
    return days.map((one) => {
      if (points.has(one)) last = points.get(one);
      return one > lastDay || last === undefined ? null : last;
    });
  });

  let drawn;
  const draw = () => {
    drawn?.destroy();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    drawn = new uPlot({
      width: plot.clientWidth,
      height: Math.max(260, Math.min(420, plot.clientWidth * 0.5)),
      tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1000), "Etc/UTC"),
      scales: { y: { range: (_, low, high) => [0, high * 1.08] } },
      axes: [
        { ...axis, values: [[31536000, "{YYYY}", null, null, null, null, null, null, 1], [2419200, "{MM}/{YY}", null, null, null, null, null, null, 1], [86400, "{DD}/{MM}/{YY}", null, null, null, null, null, null, 1]] },
        { ...axis, size: 56, incrs: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2], values: (_, ticks) => ticks.map((one) => short.format(one)) },
      ],
      series: [
        { label: figure.dataset.day, value: (_, one) => (one == null ? "–" : day.format(new Date(one * 1000))) },
        ...curves.map((curve) => ({
          label: curve.name,
          stroke: colour(colours[curve.register] ?? "--base"),
          width: curve.beside ? 1.5 : 2.5,
          dash: curve.beside ? [5, 4] : undefined,
          paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: false },
          value: (_, one) => (one == null ? "–" : `${price.format(one)} €`),
        })),
      ],
    }, [days, ...values], plot);
    figure.dataset.drawn = String(curves.length);
  };
  draw();
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(draw, 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
});
