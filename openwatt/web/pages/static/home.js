// Shows which file was chosen or dropped, that the answer is on its way, and copies the address of an answer.
// Without it the form works as well, and the address stands in its field.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("question");
  const drop = document.getElementById("drop");
  const file = document.getElementById("file");
  const kwh = document.getElementById("kwh");
  const says = drop.querySelector(".says");
  const compare = form.querySelector("button[type=submit]:not([name])");
  const label = compare.textContent;
  const show = () => {
    const chosen = file.files[0];
    says.textContent = chosen ? Array.from(file.files, (one) => one.name).join(", ") : says.dataset.empty;
    drop.classList.toggle("chosen", Boolean(chosen));
    if (chosen) kwh.value = "";
  };
  file.addEventListener("change", show);
  kwh.addEventListener("input", () => { if (kwh.value) { file.value = ""; show(); } });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    file.files = event.dataTransfer.files;
    show();
    form.requestSubmit(compare);
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter !== compare) return;
    compare.textContent = form.dataset.busy;
    compare.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => {  // also of a page that the browser has kept
    show();
    compare.textContent = label;
    compare.removeAttribute("aria-busy");
  });

  // A link to a field of the folded form opens it.
  for (const link of document.querySelectorAll("a[href^='#']")) {
    link.addEventListener("click", () => {
      const field = document.getElementById(link.hash.slice(1));
      const folded = field?.closest("details:not([open])");
      if (!folded) return;
      folded.open = true;
      field.focus();
    });
  }

  const copy = document.getElementById("copy");
  if (!copy) return;
  const shared = document.getElementById("shared");
  const line = document.getElementById("copy-says");
  const byHand = () => { shared.hidden = false; shared.select(); line.textContent = copy.dataset.failed; };
  copy.hidden = false;
  shared.hidden = true;
  shared.previousElementSibling.hidden = true;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(shared.value);
      line.textContent = copy.dataset.done;
    } catch {
      byHand();
    }
  });
});
