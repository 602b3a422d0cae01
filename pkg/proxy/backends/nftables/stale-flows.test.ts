import { expect, test } from 'vitest';
import { staleFlowCommands } from './stale-flows.ts';

const flow = (destination: string, answers: string) =>
  `udp      17 29 src=10.1.0.9 dst=${destination} sport=4000 dport=53 [UNREPLIED] src=${answers} dst=10.1.0.9 sport=5353 dport=4000 mark=0 use=1`;

test('flows to endpoints that are gone end, and those that were never led anywhere', () => {
  const listing = [flow('10.96.0.10', '10.1.0.2'), flow('10.96.0.10', '10.1.0.3'), flow('10.96.0.11', '10.1.0.3')];
  const endpoints = new Set(['10.1.0.2 5353']);
  const commands = staleFlowCommands(listing.join('\n'), [{ address: '10.96.0.10', port: 53, endpoints }]);
  expect(commands).toEqual(['-D -f ipv4 -p udp --orig-src 10.1.0.9 --orig-dst 10.96.0.10 --sport 4000 --dport 53']);
  const none = staleFlowCommands(flow('10.96.0.10', '10.96.0.10'), [{ address: '10.96.0.10', port: 53, endpoints }]);
  expect(none).toHaveLength(1);
});

test('a port of the node is one at any address that was translated', () => {
  const targets = [{ port: 53, endpoints: new Set<string>() }];
  expect(staleFlowCommands(flow('192.0.2.1', '10.1.0.2'), targets)).toHaveLength(1);
  expect(staleFlowCommands(flow('192.0.2.1', '192.0.2.1'), targets)).toEqual([]);
});
