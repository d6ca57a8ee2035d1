import { type Command, Option } from 'commander'
import { lazyAction } from './context.js'

/** import. */
export function addImportCommand(program: Command): void {
  program
    .command('import [source]')
    .description(
      'bring in an export, any folder or tar file, JSONL documents, or the home of another agent (agent:NAME[/path])',
    )
    .option('--to <path>', 'a folder of the home; its root where absent')
    .option('--from-agent <agent>', 'from another agent; the source is then a path of its home')
    .addOption(
      new Option(
        '--versions <which>',
        'all that the source holds, or the newest; of an agent the newest where absent',
      ).choices(['all', 'head']),
    )
    .option('--overwrite', 'write over what differs; the old versions stay in the history')
    .option('--skip-existing', 'leave alone what is there')
    .option('--accept-changes', 'take files of an export that were edited since')
    .option('--deleted', 'deleted files too, which can be restored then; one whose name is taken is skipped')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option(
      '--resume',
      'go on with an import that was stopped: what is there already is found by its content',
    )
    .action(lazyAction(async () => (await import('./import.js')).importInto))
}
