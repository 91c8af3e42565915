#!/bin/sh
# Static analysis: nothing to say about the daemon, nor about the scripts.
#
# Each tool is asked for checks by name, so that a newer one brings no new
# failure by itself.  Its other findings are worth a look now and then.  One
# that is wrong is silenced where it is found, with the reason beside it.  Not
# asked for, though the tools have them:
#
#	bugprone-easily-swappable-parameters	of integers, which all AoE is made of
#	bugprone-narrowing-conversions	gcc and clang have -Wconversion
#	bugprone-implicit-widening-of-multiplication-result
#		all these products are of what one request or the pool holds, in
#		sectors or bytes: at most 2^31
#	bugprone-branch-clone		conditions stand in the order that ACS-3
#		gives them, and two in turn may end alike
#	bugprone-sizeof-expression	sizeof *p is meant, also of a pointer to pointers
#	bugprone-assignment-in-if-condition	the style of this code
#	clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
#		wants memcpy_s, which no libc here has
#	clang-analyzer-optin.performance.Padding	the order of members is for readers
#	analyzer-malloc-leak of gcc	gcc 12 loses sight of what is kept in an
#		array; clang-tidy looks for leaks too
#	nullPointerRedundantCheck, nullPointerOutOfMemory of cppcheck
#		it doesn't know that err doesn't return
#	uninitvar of cppcheck		it doesn't know that static variables are
#		zero, nor that of no elements none is read; gcc and clang look too

# shellcheck disable=SC2317 # ok calls the functions

tests/needpackages clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck gcc:gcc || exit 1
. tests/lib.sh

flags='-std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I.'

# names PREFIX NAME...: each with the prefix, behind a comma.
names() { prefix=$1; shift; printf ",$prefix%s" "$@"; }

# each COMMAND: run it for each file of the daemon, $1 its name and $2 what
# finds its headers, two at a time.
each() {
	for f in *.c
	do
		case $f in freebsd.c) echo "$f -Itests/freebsd/include" ;; *) echo "$f -I." ;; esac
	done | xargs -P 2 -L 1 sh -c "$1" sh
}

# One file at a time, as clang-tidy 14 mixes up the va_lists of several; and
# a quarter as deep into each function as it would go, which takes a quarter
# of the time (all of it, once, found nothing more).
depth='--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=50000'
checks="-*$(names bugprone- argument-comment assert-side-effect bad-signal-to-kill-thread \
	bool-pointer-implicit-conversion incorrect-roundings infinite-loop integer-division macro-parentheses \
	macro-repeated-side-effects misplaced-operator-in-strlen-in-alloc misplaced-pointer-arithmetic-in-alloc \
	misplaced-widening-cast multiple-statement-macro no-escape not-null-terminated-result posix-return \
	redundant-branch-condition reserved-identifier signal-handler signed-char-misuse spuriously-wake-up-functions \
	string-literal-with-embedded-nul suspicious-enum-usage suspicious-include suspicious-memory-comparison \
	suspicious-memset-usage suspicious-missing-comma suspicious-semicolon suspicious-string-compare \
	swapped-arguments terminating-continue too-small-loop-variable unused-return-value)"
checks="$checks$(names clang-analyzer-core. CallAndMessage DivideZero NonNullParamChecker NullDereference StackAddressEscape \
	UndefinedBinaryOperatorResult VLASize uninitialized.ArraySubscript uninitialized.Assign uninitialized.Branch \
	uninitialized.UndefReturn)"
checks="$checks$(names clang-analyzer- deadcode.DeadStores optin.portability.UnixAPI security.FloatLoopCounter \
	security.insecureAPI.UncheckedReturn security.insecureAPI.bcmp security.insecureAPI.bcopy \
	security.insecureAPI.bzero security.insecureAPI.getpw security.insecureAPI.gets security.insecureAPI.mkstemp \
	security.insecureAPI.mktemp security.insecureAPI.rand security.insecureAPI.strcpy security.insecureAPI.vfork \
	unix.API unix.Malloc unix.MallocSizeof unix.MismatchedDeallocator unix.Vfork unix.cstring.BadSizeArg \
	unix.cstring.NullArg valist.CopyToSelf valist.Uninitialized valist.Unterminated)"
tidy() {
	each "clang-tidy --quiet $depth --warnings-as-errors='*' --checks='$checks' \$1 -- $flags \$2 2>/dev/null"
}

# Optimized, it follows more calls and is wrong less often.
analyses=$(names -Werror=analyzer- double-fclose double-free exposure-through-output-file file-leak free-of-non-heap \
	mismatching-deallocation null-argument null-dereference possible-null-argument possible-null-dereference \
	shift-count-negative shift-count-overflow stale-setjmp-buffer unsafe-call-within-signal-handler use-after-free \
	use-of-pointer-in-stale-stack-frame use-of-uninitialized-value write-to-const write-to-string-literal | tr , ' ')
analyzer() {
	each "gcc $flags \$2 -O2 -fanalyzer $analyses -c -o '$TMP/'\$1.o \$1"
}

findings='syntaxError|internalAstError|preprocessorErrorDirective|unknownMacro
arrayIndexOutOfBounds|arrayIndexThenCheck|bufferAccessOutOfBounds|negativeIndex|negativeMemoryAllocationSize|objectIndex
pointerOutOfBounds|stringLiteralWrite|strncatUsage|terminateStrncpy|overlappingWriteUnion|overlappingWriteFunction
autoVariables|autovarInvalidDeallocation|returnDanglingLifetime|invalidLifetime|danglingLifetime|danglingTemporaryLifetime
deallocuse|deallocret|doubleFree|memleak|memleakOnRealloc|resourceLeak|leakReturnValNotUsed|leakNoVarFunctionCall
mismatchAllocDealloc|useClosedFile|incompatibleFileOpen|IOWithoutPositioning|readWriteOnlyFile|writeReadOnlyFile
nullPointer|nullPointerArithmetic|nullPointerDefaultArg|ctunullpointer|uninitdata|uninitStructMember
invalidFunctionArg|invalidFunctionArgBool|invalidFunctionArgStr|ignoredReturnValue|missingReturn|comparePointers|subtractPointers
invalidPrintfArgType_[a-z]*|invalidScanfArgType_[a-z]*|wrongPrintfScanfArgNum|invalidscanf|wrongPrintfScanfParameterPositionError
shiftTooManyBits|shiftTooManyBitsSigned|shiftNegative|shiftNegativeLHS|integerOverflow|zerodiv|zerodivcond|moduloofone
sizeofwithsilentarraypointer|sizeofwithnumericparameter|sizeofsizeof|sizeofCalculation|sizeofDivisionMemfunc|pointerSize
memsetZeroBytes|memsetValueOutOfRange|memsetFloat|mallocOnClassError|unknownEvaluationOrder|selfAssignment|assignmentInAssert
assertWithSideEffect|incorrectLogicOperator|oppositeInnerCondition|identicalInnerCondition|identicalConditionAfterEarlyExit
strPlusChar|incorrectStringCompare|literalWithCharPtrCompare|charLiteralWithCharPtrCompare|staticStringCompare|stringCompare
signedCharArrayIndex|unknownSignCharArrayIndex|charBitOp|checkCastIntToCharAndBack|sprintfOverlappingData|varFuncNullUB
va_start_wrongParameter|va_start_referencePassed|va_end_missing|va_list_usedBeforeStarted|va_start_subsequentCalls
AssignmentAddressToInteger|AssignmentIntegerToAddress|CastAddressToIntegerAtReturn|CastIntegerToAddressAtReturn|invalidPointerCast'
check() {
	cppcheck --quiet --enable=warning,performance,portability --inline-suppr --template='{file}:{line}: {message} [{id}]' \
		--std=c11 -D_GNU_SOURCE -j2 -I. -Itests/freebsd/include ./*.c tests/*/*.c >"$TMP/cppcheck" 2>&1 &&
		fails grep -E "\\[($(echo "$findings" | tr '\n' '|'))\\]\$" "$TMP/cppcheck"
}

# Its numbers grow as it learns: here are those that shellcheck 0.9 has, but
# for SC2317, which is said of the functions that ok calls.
known=$(seq -s , 1000 1147),$(seq -s , 2000 2118),$(seq -s , 2121 2316),$(seq -s , 2318 2324),$(seq -s , 3000 3061)
scripts() {
	grep -lsE '^#!/bin/sh' AoEded .ci/* tests/* tests/*/* | xargs -P 2 -n 10 shellcheck -x -i "$known"
}

ok "shellcheck finds nothing in the scripts" scripts
ok "gcc -fanalyzer finds nothing in the daemon" analyzer
ok "cppcheck finds nothing in it, nor in the tests' programs" check
ok "clang-tidy finds nothing in it" tidy
done_testing
