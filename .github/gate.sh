#!/usr/bin/env bash
# What the action runs: annotations on stdout, a summary of the job, SARIF and a page in $TEMP_DIR, the exit code as an output.
set -uo pipefail
export PATH="$TEMP_DIR/petrify-bin:$PATH"
export NODE_PATH="$TEMP_DIR/petrify-node/node_modules"
find "$TEMP_DIR/petrify-results" -name '*.json' -mtime +60 -delete 2>/dev/null # what is still of use is judged anew
read -ra more <<<"${ARGS:-}"
petrify gate -c "$CONFIG" --format github --results "$TEMP_DIR/petrify-results" \
	--report "sarif=$TEMP_DIR/petrify.sarif" --report "html=$TEMP_DIR/petrify.html" --report "markdown=$TEMP_DIR/petrify.md" \
	${more[@]+"${more[@]}"}
code=$?
if [ -f "$TEMP_DIR/petrify.md" ]; then
	cat "$TEMP_DIR/petrify.md" >>"$GITHUB_STEP_SUMMARY"
fi
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
