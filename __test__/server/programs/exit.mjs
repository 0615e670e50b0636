import { crossValidate } from 'nabla/validation';
import { endless, heavy, rows, small } from './recipes.mjs';

// How a process ends: by itself after its last fit, or at once by process.exit() with fits in flight.

process.on('exit', () => process.stdout.write('exit\n'));
const said = (text) => process.stdout.write(`${text}\n`);

switch (process.argv[2]) {
  case 'nothing':
    // Loaded and used, nothing in flight.
    rows(16).describe();
    break;
  case 'pending':
    // Nothing else keeps the process alive than the fit itself, nor the prediction, nor the folds.
    small(3)
      .fit(rows(64))
      .then(async (fitted) => {
        said(`fitted ${fitted.history.length}`);
        said(`predicted ${(await fitted.predict(rows(8))).length}`);
        const { folds } = await crossValidate(small(), rows(64));
        said(`folds ${folds.length}`);
      });
    break;
  case 'aborted': {
    const controller = new AbortController();
    const runs = [
      endless().fit(rows(64), { signal: controller.signal }),
      crossValidate(endless(), rows(64), { signal: controller.signal }),
    ];
    Promise.allSettled(runs).then((ends) => said(ends.map(({ reason }) => reason).join(' ')));
    setImmediate(() => controller.abort('enough'));
    break;
  }
  case 'exit': {
    // At once after the first epochs, each time after another number of them; a model is being saved and predictions are under way.
    const data = rows(1024);
    const fitted = await small().fit(data);
    let epochs = 0;
    const onEpoch = () => {
      if (++epochs === Number(process.argv[3])) process.exit(42);
    };
    for (const trainer of [endless(), heavy(), endless(), heavy()]) trainer.fit(data, { onEpoch });
    for (let i = 0; i < 20; i++) fitted.predict(data);
    break;
  }
}
