"use strict";
// What the pages can do with a script; without it they show everything, unsorted.

const value = (id) => document.getElementById(id)?.value ?? "";
const ticked = (id) => document.getElementById(id)?.checked ?? false;

function filter() {
  const words = value("search").toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...document.querySelectorAll(".claims tbody tr")];
  for (const row of rows) {
    const text = [row.textContent, ...Object.values(row.dataset)].join(" ").toLowerCase();
    const { setting, verdict, kind, marks } = row.dataset;
    const fits = ([id, is]) => !value(id) || value(id) === is;
    row.hidden = !(words.every((word) => text.includes(word))
      && [["setting", setting], ["verdict", verdict], ["kind", kind]].every(fits)
      && ["loose", "empirical"].every((mark) => !ticked(mark) || marks.split(" ").includes(mark)));
  }
  for (const section of document.querySelectorAll(".paper"))
    section.hidden = !section.querySelector("tbody tr:not([hidden])");
  const shown = rows.filter((row) => !row.hidden).length;
  const count = document.getElementById("count");
  count.textContent = `${shown} of ${rows.length} ${count.dataset.of ?? "claims"}`;
}

function sortBy(table, column, heading) {
  const falling = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const key = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent.trim();
  const numbers = heading.classList.contains("number");
  const number = (text) => ({ inf: Infinity, "-inf": -Infinity })[text] ?? (Number.isNaN(+text) ? -Infinity : +text);
  const compare = (a, b) => numbers ? number(key(a)) - number(key(b)) || 0 : key(a).localeCompare(key(b));
  const rows = [...table.tBodies[0].rows].sort((a, b) => (falling ? -1 : 1) * compare(a, b));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sorts"))
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, column, heading));
    heading.append(button);
  });

const filters = document.querySelector(".filters");
if (filters) {
  filters.addEventListener("input", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filter();
}
