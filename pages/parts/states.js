// How an output did on its prompt's constraints, as one sign.
const STATES = { pass: ["●", "all constraints met"], fail: ["○", "not all met"],
  none: ["–", "not judged"] };
