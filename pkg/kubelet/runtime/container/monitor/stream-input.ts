/** What comes on a connection for the streams of a process: input and the size of its terminal. */
import type { Socket } from 'node:net';
import type { Frame } from '../../frames.ts';
import type { TerminalSize } from '../../streams.ts';
import { encodeJson, parsePiece, type ToProcess } from './protocol.ts';

/** Takes a frame. */
export type FrameHandler = (frame: Frame) => void;

/** A process that takes input. */
export interface InputTaker {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void> | void;
  resize(size: TerminalSize): Promise<void> | void;
}

/** Passes frames on in their order, and says of each piece of input when it was taken: the other side sends the next one then. */
export function pipeInput(socket: Socket, taker: InputTaker): FrameHandler {
  let last: Promise<void> = Promise.resolve();
  return ({ kind, payload }) => {
    last = last
      .then(() => take(kind, payload, taker))
      .then(() => {
        if (kind === 'stream' && socket.writable) socket.write(encodeJson({ type: 'taken' }));
      });
  };
}

async function take(kind: Frame['kind'], payload: Buffer, taker: InputTaker): Promise<void> {
  if (kind === 'stream') {
    const piece = parsePiece(payload);
    if (piece !== undefined) await taker.write(piece.bytes);
    return;
  }
  const message: ToProcess = JSON.parse(payload.toString());
  if (message.type === 'inputEnd') await taker.end();
  else await taker.resize(message.size);
}
