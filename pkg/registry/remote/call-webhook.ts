/** How a webhook is reached: the contract alone, so that whoever takes one needs nothing of the server. */

/** A request to a server of somebody else's. */
export interface WebhookRequest {
  /** With the query. */
  readonly url: string;
  /** Where to connect to, where that is not what the URL says. */
  readonly address?: { readonly host: string; readonly port: number };
  /** PEM of the authorities that may vouch for the server; undefined: those of the system. */
  readonly caBundle: string | undefined;
  /** Default `POST`. */
  readonly method?: 'GET' | 'POST';
  readonly body: string;
  /** Beside those of the body. */
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM of what the client shows. */
  readonly credentials?: { readonly certificate: string; readonly key: string } | undefined;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Sends a request over HTTPS. Rejects where there is no answer, or one that is too long. */
export type CallWebhook = (request: WebhookRequest) => Promise<{ readonly status: number; readonly text: string }>;

/** That of a server which has no way to them. */
export const noWebhooks: CallWebhook = async () => {
  throw new Error('this server has no connection to webhooks');
};
