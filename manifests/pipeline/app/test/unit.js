// The unit tests: run over the sources, before anything is built.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { greeting } from '../greeting.js';

test('the greeting says where it is from', () => {
  assert.match(greeting('here'), /here/);
  // An artefact of the run: later steps find it there, and people get it from the Git server.
  writeFileSync('/artifacts/greeting.txt', `${greeting('here')}\n`);
});
