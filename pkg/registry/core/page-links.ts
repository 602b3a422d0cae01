/**
 * Links of a page that comes through a proxy, made ones below the proxy: those with a path from the root, on the host that the page came from. Everything else of
 * the page stays as it is, to the byte; upstream writes every tag anew. Pure but for the pace of its reader. Pages are read tag by tag, whatever their size.
 * Source: apimachinery `util/proxy/transport.go` `rewriteHTML`.
 */
import { Buffer } from 'node:buffer';

/** Attributes that hold a link, by tag. Source: `atomsToAttrs`. */
const linksOf: ReadonlyMap<string, readonly string[]> = new Map(
  [
    'a href',
    'applet codebase',
    'area href',
    'audio src',
    'base href',
    'blockquote cite',
    'body background',
    'button formaction',
    'command icon',
    'del cite',
    'embed src',
    'form action',
    'frame longdesc src',
    'head profile',
    'html manifest',
    'iframe longdesc src',
    'img longdesc src usemap',
    'input src usemap formaction',
    'ins cite',
    'link href',
    'object classid codebase data usemap',
    'q cite',
    'script src',
    'source src',
    'video poster src',
  ].map((line) => {
    const [tag = '', ...attributes] = line.split(' ');
    return [tag, attributes];
  }),
);

/** What is in these is no markup. */
const rawTags = new Set('iframe noembed noframes noscript plaintext script style textarea title xmp'.split(' '));

/** Longest tag whose links are looked for, in bytes; a longer one stays as it is. */
const tagBytesMax = 16 * 1024;

/** Longest text by which raw contents end, with the character after it. */
const closingMax = '</plaintext>'.length;

/** The page with its links changed by `rewrite`, part by part as it comes. */
export async function* rewrittenPage(
  chunks: AsyncIterable<Uint8Array>,
  rewrite: (link: string) => string,
): AsyncGenerator<Uint8Array> {
  const page = new Page(rewrite);
  for await (const chunk of chunks) {
    const done = page.add(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1'));
    if (done !== '') yield Buffer.from(done, 'latin1');
  }
  const rest = page.rest();
  if (rest !== '') yield Buffer.from(rest, 'latin1');
}

/** A page that is still coming. Its text is one character for each byte. */
class Page {
  readonly #rewrite: (link: string) => string;
  /** What came and is not passed on yet: the beginning of something. */
  #waiting = '';
  /** By what the contents end that are no markup. */
  #closing: RegExp | undefined;

  constructor(rewrite: (link: string) => string) {
    this.#rewrite = rewrite;
  }

  rest(): string {
    return this.#waiting;
  }

  /** What can be passed on once `text` came too. */
  add(text: string): string {
    const all = this.#waiting + text;
    let done = '';
    let at = 0;
    while (at < all.length) {
      const step = this.#closing === undefined ? this.#markup(all, at) : this.#raw(all, at, this.#closing);
      if (step === undefined) break;
      done += step.text;
      at = step.to;
    }
    this.#waiting = all.slice(at);
    return done;
  }

  /** The next part of contents that are no markup; undefined while its end may be cut in two. */
  #raw(all: string, at: number, closing: RegExp): { readonly text: string; readonly to: number } | undefined {
    closing.lastIndex = at;
    const found = closing.exec(all);
    const to = found === null ? Math.max(at, all.length - closingMax) : found.index + found[0].length;
    if (found !== null) this.#closing = undefined;
    return to === at ? undefined : { text: all.slice(at, to), to };
  }

  /** Text up to the next tag, or that tag; undefined while it is not whole. */
  #markup(all: string, at: number): { readonly text: string; readonly to: number } | undefined {
    const open = all.indexOf('<', at);
    if (open !== at) {
      const to = open < 0 ? all.length : open;
      return { text: all.slice(at, to), to };
    }
    if (all.length - at < '<!--'.length) return undefined;
    if (all.startsWith('<!--', at)) {
      this.#closing = /-->/g;
      return { text: '<!--', to: at + '<!--'.length };
    }
    if (!/[a-z]/i.test(all.charAt(at + 1))) return { text: '<', to: at + 1 };
    const end = tagEnd(all, at);
    if (end === undefined) {
      return all.length - at > tagBytesMax ? { text: all.slice(at), to: all.length } : undefined;
    }
    const tag = all.slice(at, end);
    const name = (/^<([^\s/>]*)/.exec(tag)?.[1] ?? '').toLowerCase();
    if (rawTags.has(name)) this.#closing = new RegExp(`</${name}(?=[\\s/>])`, 'gi');
    const attributes = linksOf.get(name);
    return { text: attributes === undefined ? tag : rewrittenTag(tag, attributes, this.#rewrite), to: end };
  }
}

/** Behind the end of the tag that begins at `at`; undefined where it is still to come. */
function tagEnd(all: string, at: number): number | undefined {
  let quote = '';
  for (let i = at + 1; i < all.length; i++) {
    const character = all.charAt(i);
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '>') return i + 1;
    else if (character === '"' || character === "'") quote = character;
  }
  return undefined;
}

function rewrittenTag(tag: string, attributes: readonly string[], rewrite: (link: string) => string): string {
  let out = '';
  let copied = 0;
  const part = /[\s/]*([^\s/>=]*)(\s*=\s*("[^"]*"|'[^']*'|[^\s>]*))?/gy;
  part.lastIndex = 1;
  for (let found = part.exec(tag); found !== null && found[0] !== ''; found = part.exec(tag)) {
    const [, name = '', assigned, value = ''] = found;
    if (assigned === undefined || !attributes.includes(name.toLowerCase())) continue;
    const isQuoted = /^["']/.test(value);
    const link = isQuoted ? value.slice(1, -1) : value;
    const start = part.lastIndex - (isQuoted ? value.length - 1 : value.length);
    out += tag.slice(copied, start) + rewrite(link);
    copied = start + link.length;
  }
  return out + tag.slice(copied);
}
