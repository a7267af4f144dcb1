// Every view of a result but the first one: what the files in src/comparison/tabs/ export.

import "./comparison/scores/views.css";

export { default as tabs } from "comparison-tabs";
export { ReviewFoot, ReviewHead } from "./comparison/grid/review";
export { RunsScreen } from "./comparison/runs";
