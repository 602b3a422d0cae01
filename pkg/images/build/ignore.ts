/** Which files of a context are left out, by `.dockerignore`, and patterns of paths. Pure. Source: Docker's "Build context" (.dockerignore), Go's `filepath.Match`. */

/** Tells of a path, without a slash at its beginning, whether it is left out. */
export type IsIgnored = (path: string) => boolean;

/** Reads the file. The last pattern that matches a path or a folder above it counts. */
export function ignoreFile(text: string): IsIgnored {
  const rules = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const isKept = line.startsWith('!');
      const pattern = cleaned(isKept ? line.slice(1).trim() : line);
      return { isKept, matches: pathPattern(pattern) };
    });
  return (path) => {
    const above = path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
    const last = rules.findLast(({ matches }) => above.some((one) => matches.test(one)));
    return last !== undefined && !last.isKept;
  };
}

/** A pattern of a path: `*` and `?` stay within a name, `**` does not. */
export function pathPattern(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const rest = pattern.slice(at);
    const [set] = /^\[\^?(?:\\.|[^\]\\])+\]/.exec(rest) ?? [];
    if (rest.startsWith('**/')) {
      source += '(?:.*/)?';
      at += 2;
    } else if (rest.startsWith('**')) {
      source += '.*';
      at += 1;
    } else if (rest.startsWith('*')) source += '[^/]*';
    else if (rest.startsWith('?')) source += '[^/]';
    else if (set !== undefined) {
      source += set;
      at += set.length - 1;
    } else if (rest.startsWith('\\') && rest.length > 1) source += RegExp.escape(pattern.charAt(++at));
    else source += RegExp.escape(pattern.charAt(at));
  }
  return new RegExp(`^${source}$`, 's');
}

function cleaned(pattern: string): string {
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.');
  return parts.join('/');
}
