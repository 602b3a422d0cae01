import { expect, test } from 'vitest';
import { aesCbc, aesGcm, secretbox, seededGcm, type ValueCipher } from './ciphers.ts';
import { guardOf, keyedProvider } from './key-ring.ts';
import { decodeObject } from './kms/kms-messages.ts';
import { identityGuard, type ValueGuard } from './value-guard.ts';

/** Values that a kube-apiserver 1.28 wrote (`--storage-media-type=application/json`) with the keys of these tests, base64. */
const upstream = {
  secret:
    'azhzOmVuYzphZXNjYmM6djE6a2V5MToa1wa+EvjQYXKwi3o4XKjfCG0L8WtDC91aESvzrRKAFj9nHY9PYaY9VSBiVF2iG0ggIXNRl+16x+GZxwxFjCooxvv2qTSg+MvIwd0SuGbT/xp+cJQBiSG0UavPcDRvOnfE5GLe4SysyozuIzqwSrFgZg4S+EZX2wX+7K/u9VzKMTurodd+gHPEPppBEcE4ZFOhGMPB7gSwxFonhnSE1ukQFgg4ht9S7afNI+rU1N/FJpvJfwAxxY+vrPGPzBldvAbbgvhZIs0VjmTmZq9xhm20RkUL00n+Lx2kLacx5hw1S5QkgaMFMTJn5yagXUm98LkrjapBphckCL7kweCGSFH/tVEeGOdMCYtU2HzoS96rcanzxBLFJjkkcNCkHJDrKLJWEJqoYTHs/2gj0b9S14R90Zr1jzQ/LoVlntx0ELf4jJ50w3EkOn7z6j/d2kl2Nkqi1NXi6tyKL/9FdiqvC07gOV3cyT9uVKl7fY0XONDb6KBNhuywrpatEWPC7LFtHv2hxp0HHUuCLsT3CIsnm2Y9ir6q3gQI5ju+bwPPs5hRyQ==',
  configMap:
    'azhzOmVuYzphZXNnY206djE6a2V5MjqFGRjtKbAyc+tL9V0sqDKG9eIW7uQrMHbVEjiOEwbJQuKQomZoPkO90k+y1kIOc4Ze4yCZZcqWcdJQgg4+NkBynixhBYNpVZWEaSSiEJGrYrz8L6X9vvoZX6DYD4sY+dRA+KqnPFKzgwRGf9CALIq0lAZcPV9GpRTjYUGrd8dQ9MEM/19XMDZaSjjrQr02OUo2nd5BMXIY/cC1jLSIb1kIw86VEGVJan/AIku6X5+JYTf2ivjfoBY2x1P94Uqeg8lqkIzEisuFWG8/Z7/V8N9D4FCzNihup9mng2tur621WjqHr+2H7i1bikwicjPuinWNCNFPwqByHubbF5rUmEyqVtFso5d5kwcatsrVS7NRxPeJ4B/Fayjxac4GFANN1v6uVSE1uZnN6cWz1PSNsAj4jdh+J7fERyZ+PvzHxEtUeilSQVoY6ATlPIwjygl1uolkP38XmY823MhqcJ9pC5uBMS5n7K/5C+FZTfLX/ABEV01YxFTLvLXsNyLtpRW951IexQvhe+g=',
  serviceAccount:
    'azhzOmVuYzpzZWNyZXRib3g6djE6a2V5MzrnXue6jg+tVKdv3HpwNpdXnuw4HjRmp1k8MOnuTlRKg+8RPuAVqqyE3YQMSL+GQuh91oBXdrdrhwqz2Garnq7BvHN6k9U0yOGWCoIXlq2IqKaMccY2tPJWUhcOzO/KXmZzeyNKcQx63ktcvgUd9oBtPzNN3+BS309b2/C5xbu4SWpnXs9GxYS4L/z5DqlSOoTNaJO3XlpO0ilXe2oGU7blSVsYGKFOcmvXTlN8h2t2zjzwTSCaMWBKNnnWD/TnS1zlLR96YDQ0bShaznrOSTobWcH66c6kWRTODHU/',
  controllerRevision:
    'azhzOmVuYzprbXM6djI6cGx1ZzoKxANKFKMFdTQB7MLHuYvvQu7Crvw00rwA8iGeiZCvka5Lp/RRGzNrxSvEzaJMhxKHM5TkulH0nTiVfxKTBWebBsuYBRtDgupMtOeL2nR4mGmCwAClfxtVyHuRnGxthYpORNVyhMUEeFQGl5rfO+okrGzQAzwRwuj6fEIByjfbvDfPSuEJrrKDy9QcNNQiqhyxTTXGqptWo3LCyj3ivG0m/p7/cLkl1ROqU8bOyoV9rlrMn+Fj9TqX75rGH2FqO2fqh3D6WsdjmsUMrx/yBwXx0/yUjUh2x1CbTmFRfZDo9DqfS/AzcX9lFsEv7jCyx43k24eTpe6+4bR89MiXhlyW3KbW1bqkTNawNj3JcpA7URoox5oqqY1Erxi3ocT8dbjWXbs6ySJKJlsiCfAMO8B25olcgw4xKbpo/RX6picSqSkdv1yn+eaFcgQsJLRs0xPS0GspOZxaFYK9U3ilVyzo3BeAAwPE283ShcuhVEKnqlAut6DCd/lnut19IEcQysRTwFBoQbMpsADVFaMSgHxB4W6Ijp36ZARc+ZEoTi021vY7VIQoeLgA9yGWapnzGAMW0pWeS6PhlLG6Uz+R5KaB0/AJMN9FVhIBNxosbnVtQ0ZjU0ZMSERBUTlhQkxaWXNXN0xnS2V2K042bUNZUWZkSGVETGpqST0iFAoPdmVyc2lvbi50ZXN0LmlvEgExKAE=',
};

const long = Buffer.from('12345678901234567890123456789012');
const short = Buffer.from('1234567890123456');
const noMatch = 'no matching key was found';

const providers = {
  aescbc: keyedProvider('k8s:enc:aescbc:v1:', [{ name: 'key1', secret: long }], { cipher: aesCbc, noMatch }),
  aesgcm: keyedProvider('k8s:enc:aesgcm:v1:', [{ name: 'key2', secret: short }], { cipher: aesGcm, noMatch }),
  secretbox: keyedProvider('k8s:enc:secretbox:v1:', [{ name: 'key3', secret: long }], { cipher: secretbox, noMatch }),
  identity: { prefix: '', guard: identityGuard },
};

async function opened(guard: ValueGuard, value: Uint8Array, place: string): Promise<string> {
  return Buffer.from((await guard.open(value, place)).plain).toString('utf8');
}

test.each([
  ['aescbc', upstream.secret, '/registry/secrets/default/s1', '"name":"s1"'],
  ['aesgcm', upstream.configMap, '/registry/configmaps/default/c1', '"name":"c1"'],
  ['secretbox', upstream.serviceAccount, '/registry/serviceaccounts/default/sa1', '"name":"sa1"'],
] as const)('what an upstream apiserver has sealed by %s is read', async (name, value, place, part) => {
  const guard = guardOf([providers[name]], noMatch);
  expect(await opened(guard, Buffer.from(value, 'base64'), place)).toContain(part);
});

test('what an upstream apiserver has sealed by KMS version 2 is read with the seed that the plugin decrypts', () => {
  const place = '/registry/controllerrevisions/default/r1';
  const stored = Buffer.from(upstream.controllerRevision, 'base64').subarray('k8s:enc:kms:v2:plug:'.length);
  const { ciphertext, keyId, annotations, source, data } = decodeObject(stored);
  expect([keyId, source, [...annotations.keys()]]).toEqual(['7', 1, ['version.test.io']]);
  // The plugin there only wrote the seed as base64.
  const seed = Buffer.from(Buffer.from(ciphertext).toString('latin1'), 'base64');
  expect(Buffer.from(seededGcm(seed).open(data, place)).toString('utf8')).toContain('"name":"r1"');
});

test.each<[string, ValueCipher, boolean]>([
  ['aescbc', aesCbc(long), false],
  ['aesgcm', aesGcm(short), true],
  ['aesgcm with 24 bytes', aesGcm(long.subarray(0, 24)), true],
  ['secretbox', secretbox(long), false],
  ['a seed', seededGcm(long), true],
])('%s opens what it sealed, of any length, and nothing else', (_, cipher, isBound) => {
  for (const length of [0, 1, 15, 16, 17, 5_000]) {
    const plain = Buffer.alloc(length, 'x');
    const sealed = cipher.seal(plain, '/a');
    expect(Buffer.compare(Buffer.from(cipher.open(sealed, '/a')), plain)).toBe(0);
    expect(Buffer.compare(Buffer.from(cipher.seal(plain, '/a')), Buffer.from(sealed))).not.toBe(0);
    if (isBound) expect(() => cipher.open(sealed, '/b')).toThrow('message authentication failed');
    else expect(Buffer.compare(Buffer.from(cipher.open(sealed, '/b')), plain)).toBe(0);
    for (const cut of [0, 8, sealed.length - 1]) expect(() => cipher.open(sealed.subarray(0, cut), '/a')).toThrow();
  }
  const changed = Buffer.from(cipher.seal(Buffer.from('value'), '/a'));
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  if (isBound) expect(() => cipher.open(changed, '/a')).toThrow();
});

test('the first provider and its first key seal, and all of them open', async () => {
  const keys = (...names: readonly string[]) => names.map((name) => ({ name, secret: Buffer.alloc(32, name) }));
  const cbc = (...names: readonly string[]) =>
    keyedProvider('k8s:enc:aescbc:v1:', keys(...names), { cipher: aesCbc, noMatch });
  const before = guardOf([cbc('old')], noMatch);
  const { sealed } = before.seal(Buffer.from('value'), '/a');
  expect(Buffer.from(sealed.subarray(0, 22)).toString('latin1')).toBe('k8s:enc:aescbc:v1:old:');
  const rotated = guardOf([cbc('new', 'old'), providers.identity], noMatch);
  expect(Buffer.from(rotated.seal(Buffer.from('value'), '/a').sealed.subarray(18, 22)).toString('latin1')).toBe('new:');
  const read = await rotated.open(sealed, '/a');
  expect([Buffer.from(read.plain).toString(), read.mark === rotated.mark]).toEqual(['value', false]);
  // A provider of the same prefix without the key leaves it to the next.
  expect(await opened(guardOf([cbc('new'), cbc('old')], noMatch), sealed, '/a')).toBe('value');
  // Before encryption is given up, identity comes first.
  expect(await opened(guardOf([providers.identity, cbc('old')], noMatch), sealed, '/a')).toBe('value');
  const plain = await rotated.open(Buffer.from('{}'), '/a');
  expect([plain.mark, plain.mark === rotated.mark]).toEqual(['', false]);
});

test('a key of the same name with another secret is another key', () => {
  const of = (secret: Uint8Array) => keyedProvider('p:', [{ name: 'key', secret }], { cipher: aesGcm, noMatch }).guard;
  expect(of(long).mark).toBe(of(Buffer.from(long)).mark);
  expect(of(long).mark).not.toBe(of(Buffer.alloc(32)).mark);
});

test('what none of the providers can read is told apart', () => {
  const cbc = guardOf([providers.aescbc], 'no matching prefix found');
  expect(() => cbc.open(Buffer.from('{}'), '/a')).toThrow('no matching prefix found');
  expect(() => cbc.open(Buffer.from('k8s:enc:aescbc:v1:other:x'), '/a')).toThrow(noMatch);
  expect(() => identityGuard.open(Buffer.from('k8s:enc:aescbc:v1:key1:x'), '/a')).toThrow(
    'identity transformer tried to read encrypted data',
  );
});
