/** What of an output differs from one run to the next: addresses, ages, random parts of names. Everything else of a page is to be printed as it stands there. */

/** In this order. Each stands for all that it finds. */
const variable: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uid>'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?/g, '<time>'],
  [/\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, '<time>'],
  [/\b(127|10)(\.\d{1,3}){3}(?=\/\d)/g, '<range>'],
  [/\b(127|10)(\.\d{1,3}){3}(:\d{4,5})?\b/g, '<address>'],
  // The names of a Deployment's sets and pods, and of other pods that are made.
  [/-(?:[bcdfghjklmnpqrstvwxz2456789]{8,10})(?:-[bcdfghjklmnpqrstvwxz2456789]{5})?\b/g, '-<random>'],
  [/-[bcdfghjklmnpqrstvwxz2456789]{5}\b/g, '-<random>'],
  [/pod-template-hash=\w+/g, 'pod-template-hash=<random>'],
  [/\bsha256:[0-9a-f]{12,64}\b/g, '<digest>'],
  [/\b\d+(\.\d+)? ?(ms|µs|s|seconds?)\b/g, '<duration>'],
  [/\b(\d+h)?(\d+m)?\d+s\b|\b\d+m\b(?! ago)(?=\s)/g, '<duration>'],
  [/\b\d+(\.\d+)? (MB|MiB|KB|KiB|GB|GiB)\b/g, '<size>'],
  [/\bresourceVersion: "\d+"/g, 'resourceVersion: "<number>"'],
  // Columns are as wide as what is in them.
  [/ {2,}/g, '  '],
  [/[ \t]+$/g, ''],
  [/-{4,}/g, '----'],
];

/** Lines that are only there where the machine has other clusters. */
const sometimes = /^Node ports answer at /;

/** The lines with what differs taken out. */
export function comparable(lines: readonly string[]): readonly string[] {
  const always = lines.filter((line) => !sometimes.test(line));
  return always.map((line) => {
    let text = line;
    for (const [pattern, name] of variable) text = text.replaceAll(pattern, name);
    return text.replaceAll(/ {2,}/g, '  ');
  });
}
