import { type Command, Option } from 'commander'
import { lazyAction } from './context.js'

/** export. */
export function addExportCommand(program: Command): void {
  program
    .command('export [path]')
    .description('take a home along: Markdown and all other files, with a manifest of everything about them')
    .requiredOption('--to <target>', 'a folder, a .tar or .jsonl file, or - for standard output')
    .addOption(
      new Option('--format <format>', 'folder, tar or jsonl; told by the target where absent').choices([
        'folder',
        'tar',
        'jsonl',
      ]),
    )
    .addOption(
      new Option('--versions <which>', 'heads only, or all versions')
        .choices(['all', 'head'])
        .default('head'),
    )
    .option('--deleted', 'deleted files that can still be restored too, marked as such')
    .option(
      '--plain',
      'Markdown files byte for byte too, without the line of frontmatter that tells where they are from',
    )
    .option('--resume', 'go on with an export that was stopped')
    .action(lazyAction(async () => (await import('./export.js')).exportHome))
}
