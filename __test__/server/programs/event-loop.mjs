import { endless, heavy, rows, small } from './recipes.mjs';

// What a server sees of a fit in its process.

/** Counts turns of the event loop between the epochs of a fit, until there were so many epochs. */
const turnsWhile = async (trainer, data, epochs) => {
  let turns = 0;
  let running = true;
  const turn = () => {
    turns++;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const between = [];
  let before = 0;
  const run = trainer.fit(data, {
    onEpoch: () => {
      between.push(turns - before);
      before = turns;
      if (between.length === epochs) run.stop();
    },
  });
  const fitted = await run;
  running = false;
  return { turns, between: between.slice(0, epochs), stopped: fitted.stopped, epochs: fitted.history.length };
};

if (process.argv[2] === 'turns') {
  console.log(JSON.stringify({ heavy: await turnsWhile(heavy(), rows(4096), 5), flood: await turnsWhile(endless(), rows(32), 5000) }));
} else {
  const data = rows(1024);
  const fitted = await small().fit(data);
  const requests = Array.from({ length: 200 }, (_, i) => data.select([i, (i * 7) % 1024, (i * 31) % 1024]));
  const text = (probabilities) => JSON.stringify(probabilities.map((row) => [...row]));
  const answer = async (request) => text(await fitted.predict(request, { probabilities: true }));
  const serial = [];
  for (const request of requests) serial.push(await answer(request));

  let epochs = 0;
  const training = heavy().fit(rows(4096), { onEpoch: () => epochs++ });
  while (epochs === 0) await new Promise(setImmediate);
  const atOnce = await Promise.all(requests.map(answer));
  // On the calling thread, while others predict and train.
  const values = data.features();
  const row = (i) => (Array.isArray(values) ? values[i] : values.subarray(i * 64, (i + 1) * 64));
  const one = await Promise.all(requests.map(() => answer(requests[0])));
  const sync = requests.filter(
    (_, i) => text([fitted.predictSync(row(i), { probabilities: true })]) === `[${serial[i].slice(1).split(/(?<=\])/)[0]}]`,
  );
  training.stop();
  const trained = (await training).history.length > 0;
  console.log(
    JSON.stringify({
      requests: requests.length,
      equal: atOnce.filter((answered, i) => answered === serial[i] && one[i] === serial[0]).length,
      sync: sync.length,
      trained,
    }),
  );
}
