// Every view of a result but the first one: what the files in src/comparison/tabs/ export.

import "./comparison/scores/views.css";

export { default as tabs } from "comparison-tabs";
export { DetailView } from "./comparison/grid/detail";
export { Labels } from "./comparison/grid/labels";
export { ReviewFoot, ReviewHead } from "./comparison/grid/review";
export { RunsScreen } from "./comparison/runs";
