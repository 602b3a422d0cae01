/** `$(NAME)` references in commands, arguments and values. Source: `third_party/forked/golang/expansion`. */

/**
 * Replaces `$(NAME)` by its value; a name without a value stays as written, and `$$` is one `$`.
 */
export function expand(text: string, lookUp: (name: string) => string | undefined): string {
  if (!text.includes('$')) return text;
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, what: string, name: string | undefined) => {
    if (what === '$') return '$';
    return lookUp(name ?? '') ?? whole;
  });
}
