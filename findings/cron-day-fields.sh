#!/usr/bin/env bash
# Which days a schedule with both day fields means is read by cron-parser 5.10.6, croner 11.0.1 and cron 4.4.0 in two ways, and by none of them
# as by robfig/cron 3.0.1, which runs Kubernetes' CronJobs: there `*/1` is a star, and the other field alone counts, while `1-31` is a list of
# days, either of which will do; and 7 is no day of the week. Needs Debian's golang-go and golang-github-robfig-cron-dev.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cron-parser@5.10.6 croner@11.0.1 cron@4.4.0
cat >seen.mjs <<'JS'
import { CronTime } from 'cron';
import { CronExpressionParser } from 'cron-parser';
import { Cron } from 'croner';

const start = new Date('2026-03-01T00:00:00Z');
const dayOf = (date) => date.toISOString().slice(5, 10);
const readers = {
  'cron-parser'(schedule) {
    const times = CronExpressionParser.parse(schedule, { currentDate: start, tz: 'UTC' });
    return [1, 2, 3].map(() => dayOf(times.next().toDate()));
  },
  croner: (schedule) => new Cron(schedule, { timezone: 'UTC', paused: true }).nextRuns(3, start).map(dayOf),
  cron(schedule) {
    let at = start;
    return [1, 2, 3].map(() => {
      at = new CronTime(schedule, 'UTC').getNextDateFrom(at).toJSDate();
      return dayOf(at);
    });
  },
};
for (const [name, read] of Object.entries(readers)) {
  for (const schedule of ['0 0 */1 * 1', '0 0 1-31 * 1', '0 0 * * 7']) console.log(`${name}, ${schedule}: ${read(schedule).join(' ')}`);
}
JS
cat >seen.go <<'GO'
package main

import (
	"fmt"
	"time"

	"github.com/robfig/cron"
)

func main() {
	for _, schedule := range []string{"0 0 */1 * 1", "0 0 1-31 * 1", "0 0 * * 7"} {
		parsed, err := cron.ParseStandard(schedule)
		if err != nil {
			fmt.Printf("robfig/cron, %s: %v\n", schedule, err)
			continue
		}
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		fmt.Printf("robfig/cron, %s:", schedule)
		for i := 0; i < 3; i++ {
			at = parsed.Next(at)
			fmt.Printf(" %s", at.Format("01-02"))
		}
		fmt.Println()
	}
}
GO
{
  node seen.mjs
  GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$folder/cache" go run seen.go
} | tee seen
diff seen - <<'TEXT'
cron-parser, 0 0 */1 * 1: 03-02 03-03 03-04
cron-parser, 0 0 1-31 * 1: 03-02 03-03 03-04
cron-parser, 0 0 * * 7: 03-08 03-15 03-22
croner, 0 0 */1 * 1: 03-02 03-03 03-04
croner, 0 0 1-31 * 1: 03-02 03-03 03-04
croner, 0 0 * * 7: 03-08 03-15 03-22
cron, 0 0 */1 * 1: 03-02 03-09 03-16
cron, 0 0 1-31 * 1: 03-02 03-09 03-16
cron, 0 0 * * 7: 03-08 03-15 03-22
robfig/cron, 0 0 */1 * 1: 03-02 03-09 03-16
robfig/cron, 0 0 1-31 * 1: 03-02 03-03 03-04
robfig/cron, 0 0 * * 7: end of range (7) above maximum (6): 7
TEXT
