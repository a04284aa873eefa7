// Draws the prices in the tables of the page as steps over time, and fills in those of the day under the pointer or
// the finger. Without it the tables remain.
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
  const DAY = 86400;
  const seconds = (text) => Date.parse(text + "T00:00:00Z") / 1000;
  const price = new Intl.NumberFormat(language, { minimumFractionDigits: 4 });
  const short = new Intl.NumberFormat(language, { minimumFractionDigits: 2 });
  const written = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
  const euros = (amount) => (language === "fr" ? `${price.format(amount)}\u00a0€` : `€${price.format(amount)}`);

  // One curve for each register of each table: its periods, oldest first. A period without an end is known up to the
  // day its price was last seen.
  const today = seconds(figure.dataset.today);
  const curves = tables.flatMap((table, column) =>
    [...table.querySelectorAll("th[data-register]")].map((head) => ({
      register: head.dataset.register,
      column,
      beside: "beside" in table.dataset,
      periods: [...table.tBodies[0].rows].reverse().flatMap((row) => {
        const cell = row.cells[head.cellIndex].querySelector("data");
        if (!cell) return [];
        const { from, to, seen } = row.dataset;
        return [{ from: seconds(from), to: to ? seconds(to) : null, seen: to ? null : seconds(seen), price: Number(cell.value) }];
      }),
    })),
  );
  const first = Math.min(...curves.flatMap((curve) => curve.periods.map((one) => one.from)));
  if (!Number.isFinite(first)) { figure.hidden = true; return; }

  // A value for every day, so that what is shown is the price of the day under the pointer and of no other.
  const days = Array.from({ length: Math.round((today - first) / DAY) + 1 }, (_, index) => first + index * DAY);
  const at = (day) => Math.round((day - first) / DAY);
  for (const curve of curves) {
    curve.known = days.map(() => null);
    curve.tail = days.map(() => null);
    for (const { from, to, seen, price: amount } of curve.periods) {
      const last = Math.min(to ?? Math.max(seen, from), today);
      curve.known.fill(amount, at(from), at(last) + 1);
      if (to === null) curve.tail.fill(amount, at(last));
    }
    curve.end = curve.periods.at(-1)?.to;
  }

  const dayCell = figure.querySelector("[data-day]");
  const tell = (index) => {
    dayCell.textContent = written.format(new Date(days[index] * 1000));
    for (const cell of figure.querySelectorAll("[data-price]")) {
      const curve = curves.find((one) => `${one.column}-${one.register}` === cell.dataset.price);
      const amount = curve?.known[index] ?? curve?.tail[index];
      cell.textContent = amount == null ? "–" : euros(amount);
    }
    for (const note of figure.querySelectorAll("[data-seen]")) note.hidden = !(days[index] > seconds(note.dataset.seen));
  };

  // A short bar across the line where an offer's last price ended.
  const drawEnds = (chart) => {
    const pen = chart.ctx;
    const scale = devicePixelRatio;
    for (const curve of curves) {
      if (curve.end == null || curve.end >= today) continue;
      const [x, y] = [chart.valToPos(curve.end, "x", true), chart.valToPos(curve.periods.at(-1).price, "y", true)];
      if (x < chart.bbox.left || x > chart.bbox.left + chart.bbox.width) continue;
      pen.save();
      pen.strokeStyle = colour(colours[curve.register] ?? "--base");
      pen.lineWidth = 2 * scale;
      pen.beginPath();
      pen.moveTo(x, y - 6 * scale);
      pen.lineTo(x, y + 6 * scale);
      pen.stroke();
      pen.restore();
    }
  };

  let drawn;
  const draw = () => {
    drawn?.destroy();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const line = (curve) => ({
      stroke: colour(colours[curve.register] ?? "--base"),
      width: curve.beside ? 1.5 : 3,
      alpha: curve.beside ? 0.85 : 1,
      paths: uPlot.paths.stepped({ align: 1 }),
      points: { show: false },
    });
    const height = Math.max(240, Math.min(420, plot.clientWidth * 0.5));
    drawn = new uPlot({
      width: plot.clientWidth,
      height,
      legend: { show: false },
      tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1000), "Etc/UTC"),
      scales: { y: { range: (_, low, high) => [0, high * 1.08] } },
      axes: [
        { ...axis, space: 44, size: 32, values: [[31536000, "{YYYY}", null, null, null, null, null, null, 1], [2419200, "{MM}/{YY}", null, null, null, null, null, null, 1], [86400, "{DD}/{MM}/{YY}", null, null, null, null, null, null, 1]] },
        { ...axis, size: 48, incrs: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2], values: (_, ticks) => ticks.map((one) => short.format(one)) },
      ],
      series: [
        {},
        ...curves.map((curve) => ({ ...line(curve), dash: curve.beside ? [7, 4] : undefined })),
        ...curves.map((curve) => ({ ...line(curve), dash: [3, 4] })),
      ],
      hooks: {
        draw: [drawEnds],
        setCursor: [({ cursor }) => tell(cursor.idx ?? days.length - 1)],
      },
    }, [days, ...curves.map((curve) => curve.known), ...curves.map((curve) => curve.tail)], plot);
    const over = plot.querySelector(".u-over");
    const follow = (event) => {
      const { left, top } = over.getBoundingClientRect();
      drawn.setCursor({ left: event.touches[0].clientX - left, top: event.touches[0].clientY - top });
    };
    over.addEventListener("touchstart", follow, { passive: true });
    over.addEventListener("touchmove", follow, { passive: true });
    tell(days.length - 1);
    figure.dataset.drawn = String(curves.length);
  };
  draw();
  let waiting;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;  // a phone's address bar that comes and goes changes the height alone
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(draw, 120);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
});
