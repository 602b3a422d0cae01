/** Refuses a Node that is too old with one line that says what to do, before anything of the package runs that it does not know. Imported first by every entry. */

/** What the compiled code asks for; `cmd/coxswain/bin.js`, which looks for such a Node, has the same. */
const nodeMajorMin = 24;

if (Number(process.versions.node.split('.')[0]) < nodeMajorMin) {
  const error = new Error(
    `Cannot use coxswain on Node ${process.versions.node}: run this with Node ${nodeMajorMin} or newer, such as the one that "npm install" with optional packages puts into node_modules/.bin`,
  );
  // Where it was thrown says nothing to whoever imported the package.
  error.stack = error.message;
  throw error;
}
