// Prints the answer, which a browser can save as a PDF. Without it, the browser's own menu does the same.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("print");
  button.hidden = false;
  button.addEventListener("click", () => print());
});
