// What the shop says; `stage` is where it runs.
export function greeting(stage) {
  return `Ahoy from ${stage}`;
}
