import { expect, test } from 'vitest';
import { Deferred } from '#pkg/base/async.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { RevisionQuestions } from './revision-questions.ts';

/** A store whose questions are answered when the test says so, with the revision of the moment in which they are asked. */
function asked() {
  const clock = new VirtualClock();
  const state = { revision: 1 };
  const open: { readonly revision: number; readonly answer: Deferred<number> }[] = [];
  const questions = new RevisionQuestions({
    clock,
    ask: () => {
      const answer = new Deferred<number>();
      open.push({ revision: state.revision, answer });
      return answer.promise;
    },
  });
  const answerOldest = (): void => {
    const oldest = open.shift();
    oldest?.answer.resolve(oldest.revision);
  };
  return { clock, state, open, questions, answerOldest };
}

test('who comes together shares a question, and who comes while it is under way the next', async () => {
  const { clock, open, questions, answerOldest } = asked();
  const first = [questions.current(), questions.current(), questions.current()];
  expect(open).toHaveLength(0);
  await clock.settle();
  expect(open).toHaveLength(1);
  const second = [questions.current(), questions.current()];
  await clock.settle();
  expect(open).toHaveLength(1);
  answerOldest();
  expect(await Promise.all(first)).toEqual([1, 1, 1]);
  await clock.settle();
  expect(open).toHaveLength(1);
  answerOldest();
  expect(await Promise.all(second)).toEqual([1, 1]);
  await clock.settle();
  expect(open).toHaveLength(0);
});

test('a question that fails is that of those who shared it, and the next one is asked', async () => {
  const { clock, open, questions, answerOldest } = asked();
  const first = [questions.current(), questions.current()];
  await clock.settle();
  const second = questions.current();
  open.shift()?.answer.reject(new Error('lost'));
  expect((await Promise.allSettled(first)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await clock.settle();
  answerOldest();
  expect(await second).toBe(1);
});

test('no answer is older than what was acknowledged before it was asked for, whatever comes when', async () => {
  const random = new SeededRandom(3);
  const { clock, state, open, questions, answerOldest } = asked();
  const all: Promise<void>[] = [];
  let calls = 0;
  let sent = 0;
  for (let step = 0; step < 2_000; step++) {
    const what = randomInt(random, 5);
    if (what === 0) state.revision++;
    if (what === 1) {
      calls++;
      const least = state.revision;
      all.push(questions.current().then((revision) => expect(revision).toBeGreaterThanOrEqual(least)));
    }
    if (what === 2) await clock.settle();
    if (what === 4) await clock.advance(1);
    if (what === 3 && open.length > 0) {
      sent++;
      answerOldest();
    }
    expect(open.length).toBeLessThanOrEqual(1);
  }
  for (let left = 0; left < 2; left++) {
    await clock.advance(4);
    answerOldest();
  }
  await Promise.all(all);
  expect(sent).toBeLessThan(calls);
});

test('where several are there at a time, few are waited for, until as many are there or for four milliseconds', async () => {
  const { clock, open, questions, answerOldest } = asked();
  const all: Promise<number>[] = [];
  const come = async (callers: number): Promise<void> => {
    for (let n = 0; n < callers; n++) all.push(questions.current());
    await clock.settle();
  };
  const answer = async (): Promise<void> => {
    answerOldest();
    await clock.settle();
  };
  const round = async (callers: number): Promise<void> => {
    await come(callers);
    await clock.advance(4);
    expect(open).toHaveLength(1);
    await answer();
  };
  for (let n = 0; n < 3; n++) await round(3);
  await come(1);
  await clock.advance(1);
  expect(open).toHaveLength(0);
  await come(1);
  expect(open).toHaveLength(0);
  await come(1);
  expect(open).toHaveLength(1);
  await answer();
  await come(1);
  await clock.advance(3);
  expect(open).toHaveLength(0);
  await clock.advance(1);
  expect(open).toHaveLength(1);
  await answer();
  // Once the rest have gone the one that is left does not wait for them any more.
  for (let n = 0; n < 16; n++) await round(1);
  await come(1);
  expect(open).toHaveLength(1);
  await answer();
  await Promise.all(all);
});

test('who is alone does not wait, though two meet now and then; and of many nobody is waited for', async () => {
  const { clock, open, questions, answerOldest } = asked();
  const all: Promise<number>[] = [];
  const round = async (callers: number): Promise<void> => {
    for (let n = 0; n < callers; n++) all.push(questions.current());
    await clock.settle();
    expect(open).toHaveLength(1);
    answerOldest();
    await clock.settle();
  };
  for (let n = 0; n < 40; n++) await round(n % 8 === 7 ? 2 : 1);
  for (let n = 0; n < 20; n++) await round(32);
  for (let n = 0; n < 20; n++) await round(8);
  await Promise.all(all);
});
