/** The files by which an API server and the etcd that it keeps its data in know each other. Types alone. */

/** PEM files for an etcd whose members answer at https: their authority (default: those that Node trusts), and what to show to them. */
export interface EtcdFiles {
  readonly etcdCafile?: string;
  readonly etcdCertfile?: string;
  readonly etcdKeyfile?: string;
}
