/**
 * Gives a program the network of its pod, as far as the pods of a machine that share its network can have one: a server that names no address, or
 * `localhost`, listens on the pod's; a connection to `localhost` is tried there first, where the other containers of the pod are, and then on the machine.
 * Datagrams to the name `localhost` go to the pod, those to 127.0.0.1 to the machine, as nothing says that nobody was there.
 * Upstream's counterpart is the network namespace of a pod.
 */
import dgram from 'node:dgram';
import net from 'node:net';

/** What means the machine as a whole. */
const unspecified: ReadonlySet<string> = new Set(['', '0', '0.0.0.0', '::', '[::]', '::0']);
const localNames: ReadonlySet<string> = new Set(['localhost', 'localhost.', 'ip6-localhost', '::1', '[::1]']);
const localAddress = '127.0.0.1';

type AnyFunction = (...args: readonly unknown[]) => unknown;
type Options = Readonly<Record<string, unknown>>;

/** Changes the built-in modules, for a pod with an address. */
export function mapNetwork(ip: string): void {
  if (ip === '') return;
  mapListen(ip);
  mapConnect(ip);
  mapDatagrams(ip);
}

/** Where a server listens that wants `host`. */
function listenHost(host: unknown, ip: string): unknown {
  if (host === undefined || host === null) return ip;
  if (typeof host !== 'string') return host;
  return unspecified.has(host) || localNames.has(host) || host === localAddress ? ip : host;
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null;
}

function mapListen(ip: string): void {
  const prototype = net.Server.prototype as unknown as Record<'listen', AnyFunction>;
  const { listen } = prototype;
  prototype.listen = function (this: unknown, ...args: unknown[]) {
    const [first, second, ...rest] = args;
    if (isOptions(first)) {
      // A path, a descriptor or another server: no address is chosen.
      if (!('port' in first) || first.path !== undefined) return listen.apply(this, args);
      return listen.call(this, { ...first, host: listenHost(first.host, ip), ipv6Only: false }, second, ...rest);
    }
    if (typeof first === 'string' && !/^\d+$/.test(first)) return listen.apply(this, args);
    const callback = args.filter((arg) => typeof arg === 'function');
    const port = typeof first === 'function' || first === undefined || first === null ? 0 : first;
    const host = typeof second === 'string' ? second : undefined;
    const backlog = [second, ...rest].find((arg) => typeof arg === 'number');
    const options = { port, host: listenHost(host, ip), ...(backlog === undefined ? {} : { backlog }) };
    return listen.call(this, options, ...callback);
  };
}

type LookupCallback = (
  error: Error | null,
  addresses: string | readonly { readonly address: string; readonly family: 4 }[],
  family?: 4,
) => void;

/** The pod, then the machine. */
function lookupPodFirst(ip: string) {
  const addresses = [ip, localAddress].map((address) => ({ address, family: 4 as const }));
  return (_name: string, options: unknown, callback: LookupCallback): void => {
    const wantsAll = isOptions(options) && options.all === true;
    process.nextTick(() => (wantsAll ? callback(null, addresses) : callback(null, ip, 4)));
  };
}

function mapConnect(ip: string): void {
  const prototype = net.Socket.prototype as unknown as Record<'connect', AnyFunction>;
  const { connect } = prototype;
  const lookup = lookupPodFirst(ip);
  const isLocal = (host: unknown): boolean =>
    host === undefined ||
    host === null ||
    (typeof host === 'string' && (host === localAddress || unspecified.has(host) || localNames.has(host)));
  const podFirst = { host: 'localhost', lookup, autoSelectFamily: true, family: 0 };
  prototype.connect = function (this: unknown, ...args: unknown[]) {
    // Node's own modules have put their arguments in order already: an array with the options first.
    const isOrdered = Array.isArray(args[0]);
    const [first, second, ...rest] = isOrdered ? (args[0] as unknown[]) : args;
    if (isOptions(first)) {
      if (first.port === undefined || first.path || !isLocal(first.host) || first.localAddress) {
        return connect.apply(this, args);
      }
      const options = { ...first, ...podFirst };
      if (!isOrdered) return connect.call(this, options, second, ...rest);
      // The array carries a mark of its own.
      (args[0] as unknown[])[0] = options;
      return connect.apply(this, args);
    }
    const isPort = typeof first === 'number' || (typeof first === 'string' && /^\d+$/.test(first));
    const host = typeof second === 'string' ? second : undefined;
    if (!isPort || !isLocal(host)) return connect.apply(this, args);
    const callback = args.filter((arg) => typeof arg === 'function');
    return connect.call(this, { port: first, ...podFirst }, ...callback);
  };
}

function mapDatagrams(ip: string): void {
  const prototype = dgram.Socket.prototype as unknown as Record<'bind' | 'send', AnyFunction>;
  const { bind, send } = prototype;
  const isV4 = (socket: unknown): boolean => (socket as { readonly type?: string }).type === 'udp4';
  prototype.bind = function (this: unknown, ...args: unknown[]) {
    // Sockets of IPv6 cannot have the pod's address.
    if (!isV4(this)) return bind.apply(this, args);
    const [first, second, ...rest] = args;
    if (isOptions(first)) {
      if ('fd' in first || !first.port) return bind.apply(this, args);
      return bind.call(this, { ...first, address: listenHost(first.address, ip) }, second, ...rest);
    }
    // Any port: a client's, which may send to where nothing comes from a loopback address.
    if (typeof first === 'function' || !first) return bind.apply(this, args);
    const callback = args.filter((arg) => typeof arg === 'function');
    return bind.call(this, first, listenHost(typeof second === 'string' ? second : undefined, ip), ...callback);
  };
  prototype.send = function (this: unknown, ...args: unknown[]) {
    const isLocalName = (arg: unknown, index: number): boolean =>
      index > 0 && typeof arg === 'string' && localNames.has(arg);
    if (!isV4(this)) return send.apply(this, args);
    return send.apply(
      this,
      args.map((arg, index) => (isLocalName(arg, index) ? ip : arg)),
    );
  };
}
