// The unit tests: run over the sources, before anything is built.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greeting } from '../greeting.js';

test('the greeting says where it is from', () => {
  assert.match(greeting('here'), /here/);
});
