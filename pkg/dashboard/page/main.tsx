/** The page of the dashboard: shows whoever is signed in the view that the address names, and everybody else how to sign in. */
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { begin, session } from './session.ts';
import { Shell } from './shell.tsx';
import { SignIn } from './sign-in.tsx';

function App() {
  useEffect(() => void begin(), []);
  const info = session.value;
  if (info === undefined) return <p class="quiet pad">Loading …</p>;
  return info.user === undefined ? <SignIn /> : <Shell />;
}

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
