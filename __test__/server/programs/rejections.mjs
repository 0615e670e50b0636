import { failing, numbers } from './recipes.mjs';

// Run with --unhandled-rejections=strict, which turns any unhandled rejection into the end of the process.

const said = [];
const data = numbers();

/** A turn of the event loop after the fit is over: time for the process to find an unhandled rejection. */
const over = async (run) => {
  await run.then(
    () => {},
    () => {},
  );
  await new Promise(setImmediate);
};

switch (process.argv[2]) {
  case 'never': {
    // Neither awaited nor iterated; another run of the same kind tells when such a fit has failed.
    for (let i = 0; i < 5; i++) failing().fit(data);
    await over(failing().fit(data));
    await over(failing().fit(data, { signal: AbortSignal.abort() }));
    failing().fit(data, { signal: AbortSignal.abort() });
    failing().fit(data, {
      onEpoch: () => {
        throw new Error('in a callback');
      },
    });
    await new Promise((resolve) => process.once('beforeExit', resolve));
    said.push('over');
    break;
  }
  case 'late': {
    const run = failing().fit(data);
    // The other one started later, and its end is seen later.
    await over(failing().fit(data));
    await new Promise(setImmediate);
    await run.catch((error) => said.push(error.code));
    try {
      await run;
    } catch (error) {
      said.push(error.code);
    }
    break;
  }
  case 'both': {
    const run = failing().fit(data);
    const loop = (async () => {
      for await (const _ of run);
    })();
    for (const end of await Promise.allSettled([run, loop, run])) said.push(end.reason?.code ?? end.status);
    break;
  }
  case 'left': {
    // A loop that is left before the failure, and nobody who awaits.
    const run = failing().fit(data);
    for await (const { index } of run) {
      said.push(`epoch ${index}`);
      break;
    }
    await new Promise((resolve) => process.once('beforeExit', resolve));
    break;
  }
}
console.log(said.join(' '));
