/**
 * Packages that many use, with what they depend on: what may be installed where the operator says nothing. A name that merely
 * looks like one of them is not on it.
 */
export const knownPackages: Readonly<Record<string, readonly string[]>> = {
  pip: words(`
    aiohappyeyeballs aiohttp aiosignal altair annotated-types anthropic anyio argon2-cffi argon2-cffi-bindings asgiref asttokens
    async-timeout attrs babel beautifulsoup4 black blinker boto3 botocore cachetools certifi cffi chardet charset-normalizer click
    cloudpickle colorama contourpy cryptography cycler cython dateparser decorator defusedxml dill distro django dnspython
    docutils duckdb email-validator et-xmlfile exceptiongroup executing faker fastapi filelock flask fonttools frozenlist fsspec
    google-auth greenlet grpcio h11 h2 hpack html5lib httpcore httptools httpx hyperframe hypothesis idna imageio
    importlib-metadata iniconfig ipython isort itsdangerous jedi jinja2 jiter jmespath joblib jsonpatch jsonpointer jsonschema
    jsonschema-specifications kiwisolver lazy-loader lxml mako markdown markdown-it-py markupsafe matplotlib matplotlib-inline
    mccabe mdurl more-itertools mpmath msgpack multidict mypy mypy-extensions narwhals networkx nltk numba numpy openai openpyxl
    orjson packaging pandas parso pathspec patsy pexpect pillow pip platformdirs plotly pluggy polars prometheus-client
    prompt-toolkit propcache protobuf psutil psycopg psycopg2-binary ptyprocess pure-eval pyarrow pyasn1 pyasn1-modules
    pycodestyle pycparser pydantic pydantic-core pydantic-settings pyflakes pygments pyjwt pymongo pymysql pynacl pyparsing
    pypdf pysocks pytest pytest-asyncio pytest-cov coverage python-dateutil python-dotenv python-multipart pytz pyyaml redis
    referencing regex reportlab requests requests-oauthlib oauthlib rich rpds-py rsa ruff s3transfer scikit-image scikit-learn
    scipy seaborn sentencepiece setuptools shapely shellingham simplejson six sniffio sortedcontainers soupsieve sqlalchemy
    sqlparse stack-data starlette statsmodels sympy tabulate tenacity threadpoolctl tifffile tiktoken tokenizers toml tomli
    tomlkit toolz tornado tqdm traitlets typer types-requests typing-extensions typing-inspection tzdata tzlocal ujson urllib3
    uvicorn uvloop watchfiles wcwidth webencodings websockets werkzeug wheel wrapt xlrd xlsxwriter xxhash yarl zipp zstandard`),
  npm: words(`
    @types/node accepts acorn ajv ajv-formats ansi-regex ansi-styles argparse async asynckit axios balanced-match base64-js
    body-parser brace-expansion buffer bytes call-bind call-bind-apply-helpers call-bound chalk cheerio chokidar cliui
    color-convert color-name combined-stream commander content-disposition content-type cookie cookie-signature cors cross-spawn
    csv-parse d3 date-fns dayjs debug delayed-stream depd dotenv dunder-proto ee-first emoji-regex encodeurl es-define-property
    es-errors es-object-atoms es-set-tostringtag esbuild escape-html escalade etag express fast-deep-equal fast-glob fast-uri
    finalhandler follow-redirects form-data forwarded fresh fs-extra function-bind get-caller-file get-intrinsic get-proto glob
    gopd graceful-fs has-flag has-symbols has-tostringtag hasown http-errors iconv-lite ieee754 inherits ini ipaddr.js
    is-fullwidth-code-point is-promise jest js-yaml json-schema-traverse jsonfile jsonwebtoken left-pad lodash lru-cache luxon
    marked math-intrinsics mathjs media-typer merge-descriptors mime mime-db mime-types minimatch minimist mkdirp moment ms
    nanoid negotiator node-fetch object-assign object-inspect on-finished once openai p-limit papaparse parseurl path-to-regexp
    picocolors prettier proxy-addr proxy-from-env punycode qs range-parser raw-body react react-dom readable-stream require-directory
    require-from-string rimraf router rxjs safe-buffer safer-buffer scheduler semver send serve-static setprototypeof sharp
    side-channel side-channel-list side-channel-map side-channel-weakmap statuses string-width string_decoder strip-ansi
    supports-color toidentifier tslib tsx type-is typescript uglify-js underscore undici undici-types universalify unpipe
    util-deprecate uuid vary vite vitest wrap-ansi wrappy ws y18n yaml yargs yargs-parser yocto-queue zod`),
};

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
