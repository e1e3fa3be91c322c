// What is wrong with the page that is open, as an array of sentences. Evaluated in the page by a test.
(() => {
  const faults = [];
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  const name = (element) => `${element.tagName.toLowerCase()} "${element.textContent.trim().slice(0, 40)}"`;

  // Landmarks, headings, identifiers.
  for (const landmark of ["header", "main"]) {
    if (document.querySelectorAll(`body > ${landmark}`).length !== 1) faults.push(`there is not one ${landmark}`);
  }
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) faults.push(`a heading of level ${own} follows level ${level}: ${name(heading)}`);
    level = own;
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("there is not one h1");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) faults.push(`the id ${id} is there twice`);
  if (!document.documentElement.lang) faults.push("the page has no language");

  // Tables, pictures, controls.
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent.trim()) faults.push(`a table has no caption: ${name(table)}`);
    for (const head of table.querySelectorAll("th")) if (!head.scope) faults.push(`a header has no scope: ${name(head)}`);
    const widths = new Set([...table.rows].map((row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0)));
    if (widths.size > 1) faults.push(`a table has rows of ${[...widths].join(" and ")} cells: ${table.caption?.textContent}`);
  }
  for (const image of document.images) if (!image.alt) faults.push("an image has no text alternative");
  for (const svg of document.querySelectorAll("svg")) {
    if (svg.getAttribute("role") !== "img" || !svg.getAttribute("aria-label")) faults.push("a picture has no name");
    const figure = svg.closest("figure");
    if (!figure?.querySelector("details table")) faults.push(`a picture has no table of its numbers: ${svg.getAttribute("aria-label")}`);
  }
  for (const control of document.querySelectorAll("button, select, summary, a[href]")) {
    const text = (control.textContent || control.getAttribute("aria-label") || "").trim();
    if (!text) faults.push(`a ${control.tagName.toLowerCase()} has no name`);
  }

  // Contrast of every visible text, by WCAG 2.
  const parse = (text) => {
    const numbers = (text.match(/-?\d*\.?\d+(e-?\d+)?/g) ?? []).map(Number);
    const parts = text.startsWith("color(srgb") ? numbers.slice(0, 3).map((part) => part * 255) : numbers.slice(0, 3);
    return { rgb: parts, alpha: numbers.length > 3 ? numbers[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((part, at) => part * top.alpha + below[at] * (1 - top.alpha));
  const background = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const layer = parse(getComputedStyle(at).backgroundColor);
      layers.push(layer);
      if (layer.alpha === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName) || !visible(element)) continue;
    const style = getComputedStyle(element);
    const behind = background(element);
    const front = over(parse(element.closest("svg") ? style.fill : style.color), behind);
    const [dark, light] = [luminance(front), luminance(behind)].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    texts += 1;
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${name(element)} in ${element.parentElement.tagName}, ${style.color} on ${behind.map(Math.round)}`);
  }
  if (texts < 20) faults.push(`only ${texts} texts are visible`);
  return [...new Set(faults)];
})()
