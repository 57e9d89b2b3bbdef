"""Writes query/src/graphite/vectors.json: what graphite-web makes of times and targets that we chose.

Run by hand, with a Python that has graphite-web and whisper, when a function is added:
    graphite_vectors.py query/src/graphite/vectors.json
The test `as_graphite_web` asks the same of ours.
"""

import json
import math
import os
import sys
import tempfile

import whisper
from graphite_web import GraphiteWeb

# 2026-03-04T05:00:00Z, a Wednesday.
HOUR = 1772600400
NOW = HOUR + 1800
PREFIX = "stats.gauges."


def series():
    """Path, step and values from HOUR on. `None`: no value came."""
    wave = lambda size, speed: [round(size * (1 + math.sin(at / speed)), 3) for at in range(180)]
    gappy = [None if at % 7 in (2, 3) else value for at, value in enumerate(wave(50, 9))]
    counter = [float((at * at) % 1000) for at in range(180)]
    slow = [round(100 + 10 * math.cos(at / 3), 2) for at in range(30)]
    periodic = [float(at) if at % 6 == 5 else None for at in range(180)]
    late = [None] * 90 + wave(5, 4)[:90]
    return [
        ("web.a.cpu", 10, wave(20, 10)),
        ("web.b.cpu", 10, gappy),
        ("web.c.cpu", 10, late),
        ("web.a.disk", 60, slow),
        ("db.a.cpu", 10, wave(3, 5)),
        ("db.a.queries", 10, counter),
        ("db.a.rare", 10, periodic),
        ("db.b10.cpu", 10, [7.0] * 180),
        ("db.b9.cpu", 10, [-2.5] * 180),
        ("db.zero", 10, [0.0] * 180),
        ("app.hits;env=prod;server=a", 10, wave(4, 6)),
        ("app.hits;env=prod;server=b", 10, wave(8, 7)),
        ("app.hits;env=test;server=a", 10, gappy),
    ]


TIMES = """now|-1h|-1d|-30min|-90s|-2w|-1mon|-1y|-1h30min|now-1h|now+1h|today|yesterday|tomorrow|noon|noon yesterday|
midnight|midnight+1d|teatime|teatime tomorrow|5am|5pm|11am|12pm|12am|8:50|8:50am|8:50pm|08:50 yesterday|8:50_20260301|
20260301|19700101|1772600400|0|99999999|03/04/26|03/04/2026|3/4/69|12:30 03/04/26|jan 5|january 15|mar 4|dec 31|feb 29|
monday|sunday|wednesday|thursday|noon monday|8pm friday|monday-1d|jan5+1h|-5m|-5|-5 fortnights|someday|25:00|13/13/26|
20261301|20260231|jan|+1h|-0d|NOW|Noon Yesterday|now - 1 h|-1hour|-2days|-3minutes|-3minutes20seconds|--1h|now-|1h""".replace("\n", "")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
# In winter, in summer, and on the days on which Berlin's clocks change.
NOWS = [NOW, 1783000000, 1774747800, 1793000000]

TARGETS = """
web.a.cpu|web.*.cpu|web.[ab].cpu|web.{a,c}.cpu|*.*.cpu|web.?.*|nothing.here|web.a.*
constantLine(100)|constantLine(1.5)|threshold(5)|threshold(5,"a line")|threshold(-3,label="x")
alias(web.a.cpu,"it")|alias(web.*.cpu,'same')|aliasByNode(web.*.cpu,3)|aliasByNode(web.*.cpu,2,3)|aliasByNode(web.*.cpu,-1)|aliasByNode(web.a.cpu,9)
aliasByNode(scale(web.*.cpu,2),3)|aliasByMetric(web.*.cpu)|aliasSub(web.*.cpu,"^.*\\.([a-z])\\.","\\1-")|aliasSub(web.a.cpu,"cpu","$1x")
substr(web.a.cpu,1,3)|substr(web.a.cpu,2)|substr(scale(web.a.cpu,2),-2)
sumSeries(web.*.cpu)|sum(web.a.cpu,web.b.cpu)|averageSeries(web.*.cpu)|avg(web.*.cpu)|maxSeries(web.*.cpu)|minSeries(web.*.cpu)|diffSeries(web.a.cpu,web.b.cpu,db.a.cpu)
stddevSeries(web.*.cpu)|rangeOfSeries(web.*.cpu)|multiplySeries(web.a.cpu,web.b.cpu)|multiplySeries(web.a.cpu)|countSeries(web.*.cpu)
sumSeries(web.a.cpu,web.a.disk)|sumSeries(web.a.*)|averageSeries(web.a.disk,db.a.queries)|sumSeries(nothing.here)|maxSeries(web.a.cpu,nothing.here)
percentileOfSeries(web.*.cpu,50)|percentileOfSeries(web.*.cpu,95,true)|percentileOfSeries(db.*.cpu,10)
aggregate(web.*.cpu,"median")|aggregate(web.*.cpu,'avg_zero')|aggregate(web.*.cpu,"last")|aggregate(web.*.cpu,"count")|aggregate(web.*.cpu,'sum',0.9)
group(web.a.cpu,db.*.cpu)|groupByNode(*.*.cpu,2,"sum")|groupByNode(*.*.cpu,3)|groupByNode(*.*.cpu,2,"maxSeries")|groupByNodes(*.*.cpu,"max",2,4)|groupByNode(*.a.cpu,2,'averageSeries')
sumSeriesWithWildcards(*.*.cpu,2,3)|averageSeriesWithWildcards(*.*.cpu,3)|aggregateWithWildcards(*.*.cpu,"max",2)
asPercent(web.*.cpu)|asPercent(web.*.cpu,sumSeries(web.*.cpu))|asPercent(web.*.cpu,200)|asPercent(web.*.cpu,web.*.cpu)|asPercent(web.a.cpu,db.a.cpu)|asPercent(web.*.cpu,None,2)|asPercent(web.*.cpu,db.*.cpu,3)
divideSeries(web.*.cpu,db.a.cpu)|divideSeries(web.a.cpu,db.zero)|divideSeries(web.a.cpu,nothing.here)|divideSeries(web.a.disk,web.a.cpu)
scale(web.a.cpu,2)|scale(web.a.cpu,0.1)|offset(web.b.cpu,-3)|scaleToSeconds(web.a.disk,1)|scaleToSeconds(db.a.queries,60)|absolute(db.b9.cpu)|invert(db.zero)|invert(web.a.cpu)|isNonNull(web.b.cpu)
transformNull(web.b.cpu)|transformNull(web.b.cpu,-1)|transformNull(web.*.cpu,0,web.c.cpu)|transformNull(web.c.cpu,default=5)
keepLastValue(web.b.cpu)|keepLastValue(web.b.cpu,1)|keepLastValue(db.a.rare,inf)|keepLastValue(db.a.rare,3)
derivative(db.a.queries)|derivative(db.a.rare)|nonNegativeDerivative(db.a.queries)|nonNegativeDerivative(db.a.queries,1000)|perSecond(db.a.queries)|perSecond(db.a.queries,maxValue=999)|perSecond(db.a.rare)|integral(web.b.cpu)
delay(web.a.cpu,3)|delay(web.a.cpu,-2)|removeBelowValue(web.a.cpu,20)|removeAboveValue(web.b.cpu,50.5)
consolidateBy(web.a.cpu,"sum")|consolidateBy(web.b.cpu,"max")|cumulative(web.a.cpu)|sumSeries(consolidateBy(web.a.cpu,"max"),web.a.disk)
summarize(web.a.cpu,"1min")|summarize(web.b.cpu,"5min","avg")|summarize(web.b.cpu,"5min","max",true)|summarize(web.b.cpu,"7min","last")|summarize(web.a.disk,"90s","sum")|summarize(web.c.cpu,"1h","count")
smartSummarize(web.a.cpu,"5min","avg")|smartSummarize(web.a.cpu,"5min","sum","hours")|smartSummarize(web.b.cpu,"2min","max")|smartSummarize(web.a.cpu,"1h","sum","d")
hitcount(web.a.cpu,"1min")|hitcount(web.b.cpu,"7min")|hitcount(web.a.disk,"90s")|hitcount(web.a.cpu,"5min",true)
movingAverage(web.a.cpu,5)|movingAverage(web.b.cpu,"1min")|movingMedian(web.b.cpu,4)|movingSum(web.a.cpu,'30s')|movingMin(web.a.cpu,3)|movingMax(web.b.cpu,3)|movingWindow(web.a.cpu,3,"stddev")|movingAverage(web.b.cpu,5,0.7)|movingAverage(web.a.*,2)|movingAverage(movingAverage(web.a.cpu,3),3)
timeShift(web.a.cpu,"5min")|timeShift(web.a.cpu,"-5min",false)|timeShift(web.*.cpu,"+2min")|divideSeries(web.a.cpu,timeShift(web.a.cpu,"3min"))
currentAbove(*.*.cpu,10)|currentBelow(*.*.cpu,10)|averageAbove(*.*.cpu,10)|averageBelow(*.*.cpu,10)|maximumAbove(*.*.cpu,30)|maximumBelow(*.*.cpu,30)|minimumAbove(*.*.cpu,1)|minimumBelow(*.*.cpu,1)|filterSeries(*.*.cpu,"max",">=",7)
removeEmptySeries(*.*.cpu)|limit(*.*.cpu,2)|limit(*.*.cpu,100)|sortByMaxima(*.*.cpu)|sortByMinima(*.*.cpu)|sortByTotal(*.*.cpu)|sortBy(*.*.cpu,"min",true)|sortBy(*.*.cpu)|sortByName(db.*.cpu)|sortByName(db.*.cpu,true)|sortByName(db.*.cpu,false,true)
highestCurrent(*.*.cpu,2)|highestMax(*.*.cpu,2)|highestAverage(*.*.cpu,2)|highest(*.*.cpu,3,"min")|highest(*.*.cpu)|lowestCurrent(*.*.cpu,2)|lowestAverage(*.*.cpu,2)|lowest(*.*.cpu,2,"max")
nPercentile(web.a.cpu,90)|nPercentile(web.*.cpu,50)|exclude(*.*.cpu,"web")|grep(*.*.cpu,"b[0-9]+")|unique(web.a.cpu,web.*.cpu)|fallbackSeries(nothing.here,constantLine(1))|fallbackSeries(web.a.cpu,constantLine(1))
web.a.cpu~scale(2)~alias("piped")|web.*.cpu~sumSeries()~scale(0.5)
alias(sumSeries(scale(web.a.cpu,2),offset(web.b.cpu,1)),"deep")|aliasByNode(sumSeries(web.*.cpu),2)|scale(scale(web.a.cpu,2),3)|sumSeries(sumSeries(web.a.cpu,web.b.cpu),db.a.cpu)
!seriesByTag('name=stats.gauges.app.hits')|!seriesByTag('name=stats.gauges.app.hits','env=prod')|!seriesByTag('server=~^a','env!=test')|!seriesByTag('env=~prod|test','server!=b')
!aliasByTags(seriesByTag('name=stats.gauges.app.hits'),'env','server')|!groupByTags(seriesByTag('name=stats.gauges.app.hits'),'sum','env')|!groupByTags(seriesByTag('name=stats.gauges.app.hits'),'max','server','name')|!sumSeries(seriesByTag('name=stats.gauges.app.hits'))|!aliasByNode(seriesByTag('env=prod'),1,'server')|!scale(seriesByTag('env=prod'),2)
!template(stats.gauges.web.$h.cpu,h="a")|!template(scale(stats.gauges.$1.a.cpu,$2),"web",3)|!stats.gauges.app.hits;env=prod;server=a
"""

# From, until, further parameters.
SPANS = [
    (HOUR + 300, HOUR + 900, []),
    (HOUR + 603, HOUR + 1207, [("maxDataPoints", "25")]),
    (HOUR - 600, NOW + 600, [("maxDataPoints", "7"), ("xFilesFactor", "0.6")]),
]


def targets():
    """Each as it is asked: paths are below PREFIX unless it begins with `!`."""
    import re

    for line in TARGETS.strip().splitlines():
        # A bar is no separator inside of quotes.
        for target in re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^|'\"])+", line):
            if target.startswith("!"):
                yield target[1:]
            else:
                in_paths = r"(?<![\w.\"'\\])((?:web|db|nothing|\*|app)\.[\w.*?\[\]{},]*[\w*\]}])"
                parts = re.split(r"('[^']*'|\"[^\"]*\")", target)
                parts[::2] = [re.sub(in_paths, lambda m: fixed(m.group(1)), part) for part in parts[::2]]
                yield "".join(parts).replace("~", "|")


def fixed(path):
    """A match may reach over commas between arguments."""
    out, depth = "", 0
    for at, character in enumerate(path):
        depth += {"{": 1, "}": -1}.get(character, 0)
        begins = at == 0 or (path[at - 1] == "," and depth == 0 and not character.isdigit())
        out += (PREFIX if begins and any(path[at:].startswith(p + ".") for p in ["web", "db", "nothing", "*", "app"]) else "") + character
    return out


def main(destination):
    with tempfile.TemporaryDirectory() as folder:
        web = GraphiteWeb(folder)
        made = []
        for path, step, values in series():
            path = PREFIX + path
            file = web.file_of(path)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            whisper.create(file, [(step, 86400 // step)])
            points = [(HOUR + at * step, value) for at, value in enumerate(values) if value is not None]
            whisper.update_many(file, points, now=NOW)
            web.tag(path)
            made.append({"path": path, "step": step, "start": HOUR, "values": values})
        renders = []
        for number, target in enumerate(targets()):
            spans = SPANS if number % 3 == 0 else SPANS[:2]
            for begin, end, more in spans:
                parameters = [("target", target), ("from", begin), ("until", end), ("now", NOW), ("format", "json")] + more
                status, body = web.get("/render", parameters)
                if status == 500:
                    # A defect of graphite-web, such as a comparison with None.
                    print("500:", target)
                    continue
                assert status in (200, 400), (status, target, body)
                renders.append({"parameters": [[k, str(v)] for k, v in parameters], "result": body if status == 200 else None})
                if status != 200:
                    print("400:", target, str(body)[:200])
        import pytz
        from datetime import datetime
        from graphite.render.attime import parseATTime

        times = []
        for zone in ZONES:
            for now in NOWS:
                for text in TIMES.split("|"):
                    tz = pytz.timezone(zone)
                    try:
                        found = int(parseATTime(text, tz, datetime.fromtimestamp(now, tz)).timestamp())
                    except Exception:
                        found = None
                    times.append([text, zone, now, found])
        finds = []
        for address, parameters in [
            ("/metrics/find", [("query", "*")]),
            ("/metrics/find", [("query", PREFIX + "*")]),
            ("/metrics/find", [("query", PREFIX + "*.*"), ("wildcards", "1")]),
            ("/metrics/find", [("query", PREFIX + "web.a.*")]),
            ("/metrics/find", [("query", PREFIX + "db.*"), ("format", "completer")]),
            ("/metrics/find", [("query", PREFIX + "d"), ("format", "completer"), ("wildcards", "1")]),
            ("/metrics/find", [("query", PREFIX + "db.*"), ("format", "nodelist"), ("position", "2")]),
            ("/metrics/find", [("query", PREFIX + "db.*"), ("leavesOnly", "1")]),
            ("/metrics/expand", [("query", PREFIX + "*.a.*")]),
            ("/metrics/expand", [("query", PREFIX + "web.*"), ("query", PREFIX + "d*"), ("groupByExpr", "1")]),
            ("/tags", []),
            ("/tags", [("filter", "^s")]),
            ("/tags/env", []),
            ("/tags/findSeries", [("expr", "env=prod")]),
            ("/tags/findSeries", [("expr", "env=~p.*"), ("expr", "server!=b")]),
            ("/tags/autoComplete/tags", [("tagPrefix", "s")]),
            ("/tags/autoComplete/tags", [("expr", "env=prod")]),
            ("/tags/autoComplete/values", [("tag", "env")]),
            ("/tags/autoComplete/values", [("tag", "server"), ("expr", "env=test")]),
            ("/tags/autoComplete/values", [("tag", "env"), ("valuePrefix", "t")]),
        ]:
            status, body = web.get(address, parameters)
            assert status == 200, (address, parameters, body)
            finds.append({"address": address, "parameters": [list(p) for p in parameters], "result": body})
        with open(destination, "w") as file:
            lines = lambda items: ",\n".join(json.dumps(item) for item in items)
            file.write('{"now": %d, "series": [\n%s\n], "times": [\n%s\n], "finds": [\n%s\n], "renders": [\n%s\n]}\n'
                       % (NOW, lines(made), lines(times), lines(finds), lines(renders)))
        print(len(times), "times,", len(renders), "renders")


if __name__ == "__main__":
    main(sys.argv[1])
