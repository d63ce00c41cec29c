export { type CapturedOutput, omissionMarker, OutputCapture } from "./output-capture.js";
export { characterEnd, characterStart } from "./utf8.js";
