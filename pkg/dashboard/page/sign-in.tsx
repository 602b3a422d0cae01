/** How one signs in: with the code that the terminal shows, for the kubeconfig's own credentials, or with a token. */
import { useId, useState } from 'preact/hooks';
import { session, signedOutBecause, signIn } from './session.ts';

/** The form. */
export function SignIn() {
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const submit = async (given: { readonly token: string } | { readonly code: string }): Promise<void> => {
    setBusy(true);
    setProblem('');
    try {
      await signIn(given);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <main class="sign-in">
      <h1>Coxswain</h1>
      <p>
        Cluster <strong>{session.value?.cluster}</strong>
      </p>
      <p role="alert">{problem === '' ? signedOutBecause.value : problem}</p>
      <SecretForm
        label="Code that the terminal of “coxswain dashboard” shows, or “coxswain dashboard --code” says"
        action="Sign in with the kubeconfig"
        isBusy={isBusy}
        onSubmit={(code) => submit({ code })}
      />
      <SecretForm
        label="Or a token"
        action="Sign in with the token"
        isBusy={isBusy}
        onSubmit={(token) => submit({ token })}
      />
      <p class="quiet">
        You may do here what the API server lets this user do, and no more. Credentials stay with the server of this
        page.
      </p>
    </main>
  );
}

interface SecretFormProps {
  readonly label: string;
  readonly action: string;
  readonly isBusy: boolean;
  onSubmit(text: string): Promise<void>;
}

function SecretForm({ label, action, isBusy, onSubmit }: SecretFormProps) {
  const id = useId();
  const [text, setText] = useState('');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        setText('');
        void onSubmit(text);
      }}
    >
      <label for={id}>{label}</label>
      <input
        id={id}
        type="password"
        autocomplete="off"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" disabled={isBusy || text === ''}>
        {action}
      </button>
    </form>
  );
}
