import { expect, test } from 'vitest';
import { type Answer, AnswerParser } from './answer-parser.ts';

const wire = Buffer.from(
  [
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n',
    'HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok',
  ].join(''),
);

const expected: Answer[] = [
  { status: 200, bodyBytes: 5, body: 'hello' },
  { status: 200, bodyBytes: 31, body: '' },
  { status: 404, bodyBytes: 4, body: 'gone' },
  { status: 204, bodyBytes: 0, body: '' },
  { status: 201, bodyBytes: 2, body: '' },
];

function answersOf(pieces: readonly Buffer[]): { answers: Answer[]; pieces: string } {
  const parser = new AnswerParser();
  const answers: Answer[] = [];
  let body = '';
  const next = (): void => {
    parser.expect({
      keepBody: answers.length === 0,
      onBody: (piece) => {
        body += piece.toString();
      },
      onAnswer: (answer) => {
        answers.push(answer);
        next();
      },
    });
  };
  next();
  for (const piece of pieces) parser.receive(piece);
  return { answers, pieces: body };
}

test('answers are found wherever the connection cuts them', () => {
  for (let size = 1; size <= wire.length; size++) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < wire.length; at += size) pieces.push(wire.subarray(at, at + size));
    expect(answersOf(pieces)).toEqual({ answers: expected, pieces: 'hellohelloabcdefghijklmnopqrstuvwxyzgoneok' });
  }
});
