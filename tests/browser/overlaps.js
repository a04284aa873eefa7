// Every two pieces of text that are printed over each other on the page that is shown.
const clipped = (box, element) => {
  for (let at = element; at && at !== document.documentElement; at = at.parentElement) {
    const style = getComputedStyle(at);
    if (style.overflow === "visible" && style.clipPath === "none") continue;
    const edge = at.getBoundingClientRect();
    box = {
      left: Math.max(box.left, edge.left), right: Math.min(box.right, edge.right),
      top: Math.max(box.top, edge.top), bottom: Math.min(box.bottom, edge.bottom),
    };
  }
  return box;
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const boxes = [];
while (texts.nextNode()) {
  const text = texts.currentNode, parent = text.parentElement;
  if (!text.data.trim() || parent.closest("option, script, style") || !parent.checkVisibility()) continue;
  const range = document.createRange();
  range.selectNodeContents(text);
  for (const line of range.getClientRects()) {
    // A line's box is higher than its letters: lines of one paragraph may touch, letters may not.
    const slack = line.height / 5;
    const box = clipped({left: line.left + 1, right: line.right - 1, top: line.top + slack, bottom: line.bottom - slack}, parent);
    if (box.right - box.left > 1 && box.bottom - box.top > 1) boxes.push({...box, text: text.data.trim().slice(0, 40)});
  }
}
boxes.sort((one, other) => one.top - other.top);
const found = [];
for (let one = 0; one < boxes.length; one++) {
  for (let other = one + 1; other < boxes.length && boxes[other].top < boxes[one].bottom; other++) {
    if (boxes[one].left < boxes[other].right && boxes[other].left < boxes[one].right) {
      found.push(`${boxes[one].text} | ${boxes[other].text}`);
    }
  }
}
return {boxes: boxes.length, found};
