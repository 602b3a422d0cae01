/**
 * Shuffle sharding: which few of the queues of a level a flow may use, so that a flow which fills all of its queues leaves most other flows at
 * least one that it does not touch. The hand depends on the hash alone.
 * Upstream counterpart: apiserver `util/shufflesharding`.
 */

/** Bits of a hash that may be used up: with more, the last card would be dealt unevenly. */
export const hashBitsMax = 60;

/** Bits of a hash that a hand takes. Source: upstream `RequiredEntropyBits`. */
export function entropyBits(deckSize: number, handSize: number): number {
  return Math.ceil(Math.log2(deckSize) * handSize);
}

/** `handSize` different numbers below `deckSize`, by a hash of 64 bits. Those two have to keep `entropyBits` below `hashBitsMax`. */
export function dealHand(hash: bigint, deckSize: number, handSize: number): readonly number[] {
  const hand: number[] = [];
  const remainders: number[] = [];
  let rest = hash;
  for (let i = 0; i < handSize; i++) {
    const left = BigInt(deckSize - i);
    remainders.push(Number(rest % left));
    rest /= left;
  }
  remainders.forEach((remainder, i) => {
    let card = remainder;
    // Each remainder counts the cards that are left: those that were dealt before are skipped.
    for (let j = i - 1; j >= 0; j--) if (card >= (remainders[j] ?? 0)) card++;
    hand.push(card);
  });
  return hand;
}
