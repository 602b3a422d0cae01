/**
 * Logins from programs that the node asks for images of their places. An answer is kept for as long as it says, and for what it says: the image, its registry or all images. A program that
 * fails is a warning, and the image is pulled without it. Upstream counterpart: kubelet `pkg/credentialprovider/plugin`; API group `credentialprovider.kubelet.k8s.io`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { RecentMap } from '#pkg/base/recent-map.ts';
import type { RegistryCredentials } from '../runtime/runtime.ts';
import { fittingLogins, isAbout, type KeyedLogin, type Place, placeOfImage } from './image-places.ts';

/** A program, and what it is asked about. */
export interface CredentialProvider {
  readonly name: string;
  /** Of what it is told and says. */
  readonly apiVersion: string;
  /** Places of images, such as `*.example.com/team`. */
  readonly matchImages: readonly string[];
  /** How long an answer counts that does not say it, in milliseconds; 0 for that pull alone. */
  readonly keptMs: number;
  /** Gives it a request, and its answer back. Rejects where it fails. */
  ask(request: string): Promise<string>;
}

/** Answers of one program that are kept; beyond, those longest unused are forgotten, and asked for anew. */
const keptMax = 1_000;

/** What the answer is about that is kept. */
const everyImage = '*';

/** The programs of a node. */
export class CredentialProviders {
  readonly #log: Logger;
  readonly #answers: readonly Answers[];

  constructor(deps: { readonly clock: Clock; readonly log: Logger }, providers: readonly CredentialProvider[]) {
    this.#log = deps.log;
    this.#answers = providers.map((provider) => new Answers(provider, deps.clock));
  }

  /** What they have for an image, the most particular first. Throws `RuntimeError` `invalidImage` for what is no name. */
  async logins(image: string): Promise<readonly RegistryCredentials[]> {
    if (this.#answers.length === 0) return [];
    const place = placeOfImage(image);
    const found = await Promise.all(
      this.#answers.map(async (answers) => {
        try {
          return await answers.loginsAt(place);
        } catch (error) {
          const provider = answers.provider.name;
          this.#log.warn('Cannot get logins of a credential provider', { provider, image, reason: errorText(error) });
          return [];
        }
      }),
    );
    return fittingLogins(found.flat(), place);
  }
}

interface Kept {
  readonly logins: readonly KeyedLogin[];
  readonly untilMs: number;
}

/** Those of one program. */
class Answers {
  readonly provider: CredentialProvider;
  readonly #clock: Clock;
  readonly #kept = new RecentMap<Kept>(keptMax);
  /** Questions under way, by image: who asks meanwhile gets the same answer. */
  readonly #asked = new Map<string, Promise<readonly KeyedLogin[]>>();

  constructor(provider: CredentialProvider, clock: Clock) {
    this.provider = provider;
    this.#clock = clock;
  }

  async loginsAt(place: Place): Promise<readonly KeyedLogin[]> {
    if (!this.provider.matchImages.some((pattern) => isAbout(pattern, place))) return [];
    const image = place.host + place.path;
    const kept = [image, place.host, everyImage].map((key) => this.#keptFor(key)).find((one) => one !== undefined);
    if (kept !== undefined) return kept;
    const asked = this.#asked.get(image) ?? this.#ask(image, place.host);
    this.#asked.set(image, asked);
    try {
      return await asked;
    } finally {
      this.#asked.delete(image);
    }
  }

  #keptFor(key: string): readonly KeyedLogin[] | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && kept.untilMs > this.#clock.nowMs() ? kept.logins : undefined;
  }

  async #ask(image: string, registry: string): Promise<readonly KeyedLogin[]> {
    const { apiVersion, keptMs: usualMs } = this.provider;
    const request = { kind: 'CredentialProviderRequest', apiVersion, image };
    const answer = answerOf(await this.provider.ask(JSON.stringify(request)), apiVersion);
    const { logins, keptMs = usualMs } = answer;
    if (keptMs <= 0) return logins;
    const key = { Image: image, Registry: registry, Global: everyImage }[answer.isAbout];
    this.#kept.set(key, { logins, untilMs: this.#clock.nowMs() + keptMs });
    return logins;
  }
}

interface Answer {
  readonly isAbout: 'Global' | 'Image' | 'Registry';
  readonly logins: readonly KeyedLogin[];
  readonly keptMs?: number;
}

/** Reads what a program says. Throws with what is wrong with it. */
function answerOf(text: string, wanted: string): Answer {
  const answer: unknown = JSON.parse(text);
  if (!isObject(answer)) throw new Error('its answer is no object');
  const { kind, apiVersion, cacheKeyType, cacheDuration, auth = {} } = answer;
  if (kind !== 'CredentialProviderResponse' || apiVersion !== wanted)
    throw new Error(`its answer is no CredentialProviderResponse of ${wanted}`);
  if (cacheKeyType !== 'Image' && cacheKeyType !== 'Registry' && cacheKeyType !== 'Global')
    throw new Error(`its cacheKeyType is ${JSON.stringify(cacheKeyType)}: it has to be Image, Registry or Global`);
  const entries = isObject(auth) ? Object.entries(auth) : [];
  const logins = entries.flatMap(([key, entry]): KeyedLogin[] => {
    const { username, password } = isObject(entry) ? entry : {};
    return typeof username === 'string' && typeof password === 'string' ? [[key, { username, password }]] : [];
  });
  if (cacheDuration === undefined || cacheDuration === null) return { isAbout: cacheKeyType, logins };
  const keptMs = typeof cacheDuration === 'string' ? parseDurationMs(cacheDuration) : undefined;
  if (keptMs === undefined) throw new Error(`its cacheDuration is ${JSON.stringify(cacheDuration)}`);
  return { isAbout: cacheKeyType, logins, keptMs };
}
