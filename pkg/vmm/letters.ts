/**
 * Letters of dots, for pictures that are made where no font is: five dots wide and seven high, of the signs from space to tilde. Some hang below their line;
 * others than these signs come as the box that stands for one that is not known.
 */

/** Dots of a letter across. */
export const letterWidth = 5;
/** Dots of a letter down; its line is below the last one. */
export const letterHeight = 7;

/** Seven rows a letter, each a digit of base 32, whose highest bit is on the left. */
const letters = [
  '0000000 4444404 aa00000 avaaava 4fke5u4 pp248jj cik8lid 4400000 2488842 8422248 0level0 044v440 0000448 000e000 0000004 11248gg',
  'ehhlhhe 4c4444e eh168gv eh161he 26aiv22 vgu11he 68guhhe v122444 ehhehhe ehhf12c 0400040 0400448 248g842 00v0v00 8421248 eh16404',
  'ehnlnge 4ahhvhh uhhuhhu ehggghe sihhhis vgguggv vgguggg ehgnhhf hhhvhhh e44444e 72222ic hikokih ggggggv hrllhhh hppljjh ehhhhhe',
  'uhhuggg ehhhlid uhhukih fgge11u v444444 hhhhhhe hhhhaa4 hhhllrh hha4ahh hha4444 v1248gv e88888e gg84211 e22222e 4ah0000 000000v',
  '8400000 00e1fhf gguhhhu 00eggge 11fhhhf 00ehvge 68u8888 0fhhf1e gguhhhh 40c444e 20622ic ggikoki c44444e 00qllll 00uhhhh 00ehhhe',
  '0uhhugg 0fhhf11 00moggg 00fge1u 88u8886 00hhhhf 00hhaa4 00hhlla 00ha4ah 0hhhf1e 00v248v 6448446 4444444 c44244c 008l200',
]
  .join(' ')
  .split(' ');

const firstCode = 0x20;
const unknown = 'vhhhhhv';
/** Dots by which a letter hangs below its line. */
const hangs: Readonly<Record<string, number>> = { g: 2, j: 1, p: 2, q: 2, y: 2, ',': 1, ';': 1 };

/** Rows of a sign from the top, each a number whose bit `1 << (letterWidth - 1)` is its dot on the left. */
export function letterRows(sign: string): readonly number[] {
  const rows = letters[(sign.codePointAt(0) ?? 0) - firstCode] ?? unknown;
  return Array.from(rows, (digit) => Number.parseInt(digit, 32));
}

/** Dots by which a sign hangs below the line that it stands on. */
export function letterHang(sign: string): number {
  return hangs[sign] ?? 0;
}
