#!/usr/bin/env node
import { readFileSync } from 'node:fs';

import { nearest } from '../errors/index.js';
import { doctor } from './doctor.js';
import { program } from './program.js';

const version = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

const help = `nabla ${version()}: neural networks for Node

  nabla doctor          checks that the binary for this platform is there and loads
  nabla program FOLDER  shows what the engine makes of a saved model: each pass, the plan, its peak memory
                        (--batch 32, --predict for prediction instead of training)
  nabla --version
  nabla --help
`;

const main = async (words: readonly string[]): Promise<number> => {
  const [command = '--help'] = words;
  switch (command) {
    case 'doctor': {
      const { lines, healthy } = doctor();
      console.log(lines.join('\n'));
      return healthy ? 0 : 1;
    }
    case 'program':
      try {
        console.log(await program(words.slice(1)));
        return 0;
      } catch (error) {
        console.error(error instanceof Error ? error.message : String(error));
        return 1;
      }
    case '--version':
    case '-v':
      console.log(version());
      return 0;
    case '--help':
    case '-h':
    case 'help':
      console.log(help);
      return 0;
    default: {
      const meant = nearest(command, ['doctor', 'program', '--version', '--help']);
      console.error(
        `nabla: there is no command ${JSON.stringify(command)}${meant === undefined ? '' : `; did you mean ${meant}?`}\n\n${help}`,
      );
      return 2;
    }
  }
};

process.exitCode = await main(process.argv.slice(2));
