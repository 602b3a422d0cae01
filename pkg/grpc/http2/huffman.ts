/**
 * The code of HTTP/2 for text in headers. It is canonical: codes of one length are consecutive, in the order of their octets, and begin where the shorter ones
 * have ended; so their lengths tell all of it. Source: RFC 7541, section 5.2 and appendix B.
 */
import { lostError } from '../grpc-error.ts';

/** For each octet the length of its code: `a` is the shortest, of 5 bits, `z` the longest, of 30. */
const lengths = [
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhf',
  'ibccccccccccccccccccccccdcdioijbkabababbbaccbbbabcbaabccccckgjix',
  'prpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrrsrrs',
  'vvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwv',
].join('');
const shortest = 5;
const longest = 30;
const letterOfShortest = 'a'.charCodeAt(0);

/** The codes of one length: the first of them, and their octets. */
interface CodesOfLength {
  readonly first: number;
  readonly octets: readonly number[];
}

const byLength: readonly CodesOfLength[] = codes();

function codes(): CodesOfLength[] {
  const all: CodesOfLength[] = [];
  let next = 0;
  for (let bits = 0; bits <= longest; bits++) {
    const letter = letterOfShortest + bits - shortest;
    const octets = [...lengths].flatMap((_, octet) => (lengths.charCodeAt(octet) === letter ? [octet] : []));
    next *= 2;
    all.push({ first: next, octets });
    next += octets.length;
  }
  return all;
}

/** The text that is coded; what is left of the last octet is ones. Throws `GrpcError` for what is no code. */
export function decodeHuffman(bytes: Uint8Array): string {
  const octets: number[] = [];
  let code = 0;
  let bits = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      bits++;
      const { first, octets: coded } = byLength[bits] ?? { first: 0, octets: [] };
      const octet = coded[code - first];
      if (octet !== undefined) {
        octets.push(octet);
        code = 0;
        bits = 0;
      } else if (bits === longest) throw invalid();
    }
  }
  // Less than an octet, all ones: the beginning of the code that ends a text.
  if (bits > 7 || code !== 2 ** bits - 1) throw invalid();
  return Buffer.from(octets).toString('latin1');
}

function invalid(): Error {
  return lostError('the server sends headers that cannot be read', true);
}
