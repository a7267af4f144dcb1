// What the comparison panel needs before a run: the choices, and the editor of the fields.

import "./comparison/setup/setup.css";

export { EditorScreen } from "./comparison/setup/editor";
export { SetupScreen } from "./comparison/setup/setup";
