/**
 * Which tracked UDP flows lead where their Service does not lead any more: their datagrams would go on to an endpoint that is gone for as long as the
 * client sends. Pure. Source: kube-proxy `pkg/proxy/conntrack/cleanup.go`.
 */

/** Where datagrams for one address and port may go now. */
export interface FlowTarget {
  /** Address that was asked; absent for a port of the node, whatever its address. */
  readonly address?: string;
  readonly port: number;
  /** `ip port` of each endpoint. */
  readonly endpoints: ReadonlySet<string>;
}

const fieldPattern = /\b(src|dst|sport|dport)=(\S+)/g;

/** Commands for `conntrack --load-file` that delete those of the flows that `conntrack -L` lists which lead elsewhere than `targets` say. */
export function staleFlowCommands(listing: string, targets: readonly FlowTarget[]): readonly string[] {
  const byPort = Map.groupBy(targets, ({ port }) => port);
  return listing.split('\n').flatMap((line) => {
    // The first four fields are of the question, the next four of the answer.
    const fields = [...line.matchAll(fieldPattern)].map((match) => match[2] ?? '');
    const [source = '', destination = '', sourcePort = '', port = '', from = '', , fromPort = ''] = fields;
    const about = (byPort.get(Number(port)) ?? []).filter(({ address = destination }) => address === destination);
    if (about.length === 0 || about.some(({ endpoints }) => endpoints.has(`${from} ${fromPort}`))) return [];
    // A node's port is nobody's where the address is not the node's: then nothing was translated.
    if (from === destination && about.every(({ address }) => address === undefined)) return [];
    const family = destination.includes(':') ? 'ipv6' : 'ipv4';
    return [
      `-D -f ${family} -p udp --orig-src ${source} --orig-dst ${destination} --sport ${sourcePort} --dport ${port}`,
    ];
  });
}
