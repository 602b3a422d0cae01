/** The chooser of a relay that has one endpoint and keeps it. */
import { addressKey, type EndpointChooser, type RelayAddress } from './relay.ts';

/** Always the same endpoint, until it was tried in vain. */
export function fixedEndpoint(endpoint: RelayAddress): EndpointChooser {
  const key = addressKey(endpoint);
  return {
    pick: (_, exclude) => (exclude?.has(key) === true ? undefined : endpoint),
    remember: () => {},
    has: (other) => other === key,
  };
}
