// The acceptance tests: what customers see, asked of the Service in staging once the new image answers there.
import assert from 'node:assert/strict';

const url = 'http://shop.staging.svc.cluster.local:8080/';
const get = async () => (await fetch(url, { headers: { connection: 'close' } })).json();

// The step's deadline ends this where the new image never answers.
let answer = await get().catch(() => ({}));
while (answer.image !== process.env.PIPELINE_IMAGE) answer = await get().catch(() => ({}));

assert.equal(answer.greeting, 'Ahoy from staging');
console.log(`${url} says ${answer.greeting}`);
