// What the tests of a drawing in a real browser draw with.

export { Fragment, h } from "preact";
export { Control, Select } from "../src/panel/controls";
export { createWidget } from "../src/panel/panel";
export { Button, Fold } from "../src/panel/parts";
export { Tick } from "../src/panel/tick";
