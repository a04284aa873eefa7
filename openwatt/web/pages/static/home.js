// Shows which file was chosen or dropped, and that the answer is on its way. Without it the form works as well.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("question");
  const drop = document.getElementById("drop");
  const file = document.getElementById("file");
  const kwh = document.getElementById("kwh");
  const says = drop.querySelector(".says");
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
    form.requestSubmit(form.querySelector("button[type=submit]:not([name])"));
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter?.name === "download") return;
    const button = form.querySelector("button[type=submit]:not([name])");
    button.textContent = form.dataset.busy;
    button.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", show);
});
