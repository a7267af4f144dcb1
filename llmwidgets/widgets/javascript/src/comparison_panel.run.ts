// What the comparison panel needs for a run: the choices, the editor of the fields, how far it is.

import "./comparison/run/run.css";

export { EditorScreen } from "./comparison/run/editor";
export { embed } from "./comparison/run/embedded";
export { RunningScreen } from "./comparison/run/running";
export { SetupScreen } from "./comparison/run/setup";
