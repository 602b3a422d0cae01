/**
 * Reads the requests of a connection of HTTP/1.1 from its socket, one after the other, as long as they are in the plain form (`direct-head.ts`): without the streams
 * that Node makes for each request and answer, which cost as much as a short answer does otherwise. With the first that is not, the connection
 * is given to Node's server, with all that has come of it, and stays there: upgrades, chunked bodies, heads in pieces, and whatever is to be refused.
 *
 * Invariants: a request is read when the one before it has been answered, and its client takes what it is answered; what came after it meanwhile is held,
 * one piece of it, while the connection is not read further. Nothing throws past here.
 */
import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { answerExchange, type Serving } from '../answer-exchange.ts';
import type { Connection } from '../connections.ts';
import { Exchange } from '../exchange.ts';
import { type HeadFields, readHead } from './direct-head.ts';
import { DirectRequest } from './direct-request.ts';
import { DirectResponse } from './direct-response.ts';

/** A connection whose requests are read here, and who reads what they are not. */
export interface DirectOptions {
  readonly socket: Socket;
  readonly connection: Connection;
  readonly serving: Serving;
  /** Has Node's server read the connection from now on. */
  giveToNode(): void;
}

/** Reads requests from now on. */
export function readDirectly(options: DirectOptions): void {
  new DirectConnection(options).begin();
}

class DirectConnection {
  readonly #options: DirectOptions;
  readonly #socket: Socket;
  #fields: HeadFields | undefined;
  /** The one that is being answered. */
  #request: DirectRequest | undefined;
  #response: DirectResponse | undefined;
  /** What came behind it. */
  #rest: Buffer | undefined;
  /** No further request is read. */
  #isOver = false;

  constructor(options: DirectOptions) {
    this.#options = options;
    this.#socket = options.socket;
  }

  begin(): void {
    const socket = this.#socket;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', this.#onError);
    socket.on('drain', this.#onDrain);
  }

  #leave(): void {
    const socket = this.#socket;
    socket.removeListener('data', this.#onData);
    socket.removeListener('end', this.#onEnd);
    socket.removeListener('close', this.#onClose);
    socket.removeListener('error', this.#onError);
    socket.removeListener('drain', this.#onDrain);
  }

  readonly #onData = (piece: Buffer): void => {
    const request = this.#request;
    const taken = request?.add(piece) ?? 0;
    if (taken > 0 && request?.complete === true) this.#options.connection.cameSoFar();
    if (taken === piece.length || this.#isOver) return;
    const rest = taken === 0 ? piece : piece.subarray(taken);
    if (request === undefined && !this.#socket.writableNeedDrain) this.#take(rest);
    else this.#hold(rest);
  };

  #hold(rest: Buffer): void {
    this.#rest = rest;
    this.#socket.pause();
  }

  #take(piece: Buffer): void {
    const { connection, serving } = this.#options;
    const head = readHead(piece, this.#fields);
    if (head === undefined) {
      this.#giveToNode(piece);
      return;
    }
    this.#fields = head.fields;
    const request = new DirectRequest(head, this.#socket);
    const response = new DirectResponse({
      socket: this.#socket,
      isHead: head.method === 'HEAD',
      keepSeconds: Math.floor(serving.limits.idleMs / 1_000),
      clock: serving.clock,
      onEnd: this.#onAnswered,
    });
    this.#request = request;
    this.#response = response;
    if (head.end < piece.length) {
      const body = piece.subarray(head.end);
      const taken = request.add(body);
      if (taken < body.length) this.#hold(body.subarray(taken));
    }
    connection.response = response;
    connection.cameSoFar();
    serving.connections.asked(connection);
    const exchange = new Exchange(request, response, serving.room, { connection, waitsForContinue: false });
    void answerExchange(exchange, serving);
  }

  readonly #onAnswered = (isLast: boolean): void => {
    const isWhole = this.#request?.complete === true;
    this.#request = undefined;
    this.#response = undefined;
    if (isLast || !isWhole || this.#options.connection.isLeaving) {
      this.#isOver = true;
      this.#rest = undefined;
      this.#socket.destroySoon();
      return;
    }
    if (!this.#socket.writableNeedDrain) this.#goOn();
  };

  /** Reads what was held. */
  #goOn(): void {
    const rest = this.#rest;
    if (rest === undefined) return;
    this.#rest = undefined;
    this.#socket.resume();
    this.#take(rest);
  }

  #giveToNode(piece: Buffer): void {
    this.#leave();
    const { connection, serving, giveToNode } = this.#options;
    // Though the kernel may not have all of it yet.
    connection.answered(serving.clock.monotonicMs());
    giveToNode();
    this.#socket.emit('data', piece);
  }

  readonly #onEnd = (): void => {
    // Who is told twice makes an error of it, which thousands of strangers would pay for.
    if (!this.#socket.writableEnded) this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#request?.gone();
    this.#response?.gone();
  };

  /** Its close is told of. */
  readonly #onError = (): void => {};

  readonly #onDrain = (): void => {
    if (this.#response === undefined) this.#goOn();
    else this.#response.tell('drain');
  };
}
