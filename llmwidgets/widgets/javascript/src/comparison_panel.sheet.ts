// What opens over the comparison panel at a click: code to copy, the question before a report.

import "./comparison/sheet.css";

export { askForReport, SheetOver, showCode } from "./comparison/sheet";
