/** Completion of operators, and of fields that documents have. */

import type { CompletionSource } from "@codemirror/autocomplete";
import { useMongoFields } from "@studio-databases/client/react";
import { useMemo } from "react";

export type Completion = CompletionSource;

const OPERATORS =
  "$abs $accumulator $add $addToSet $all $allElementsTrue $and $anyElementTrue $arrayElemAt $arrayToObject $avg $bottom $bottomN $ceil $cmp $concat $concatArrays $cond $convert $count $dateAdd $dateDiff $dateFromParts $dateFromString $dateSubtract $dateToParts $dateToString $dateTrunc $dayOfMonth $dayOfWeek $dayOfYear $derivative $divide $elemMatch $eq $exists $exp $expr $filter $first $firstN $floor $geoIntersects $geoWithin $getField $gt $gte $hour $ifNull $in $indexOfArray $integral $isArray $isNumber $jsonSchema $last $lastN $let $linearFill $literal $ln $locf $log $log10 $lt $lte $ltrim $map $max $maxN $median $mergeObjects $meta $min $minN $minute $mod $month $multiply $ne $near $nin $nor $not $objectToArray $options $or $percentile $pow $push $rand $range $rank $reduce $regex $regexFind $regexFindAll $regexMatch $replaceAll $replaceOne $reverseArray $round $rtrim $second $setDifference $setEquals $setField $setIntersection $setIsSubset $setUnion $shift $size $slice $sortArray $split $sqrt $stdDevPop $stdDevSamp $strcasecmp $strLenCP $substrCP $subtract $sum $switch $text $toBool $toDate $toDecimal $toDouble $toInt $toLong $toLower $toObjectId $toString $toUpper $top $topN $trim $trunc $type $unsetField $week $year $zip".split(
    " ",
  );

/** Offers operators, fields, and `"$field"` for their values. */
export function useCompletion(
  databaseId: string,
  of: { databaseName: string; collection: string },
): Completion {
  const fields = useMongoFields(databaseId, of, of.collection !== "");
  return useMemo(() => {
    const paths = [...new Set((fields.data ?? []).map((each) => each.names.join(".")))];
    const options = [
      ...paths.map((label) => ({ label, type: "property" })),
      ...paths.map((label) => ({ label: `$${label}`, type: "variable" })),
      ...OPERATORS.map((label) => ({ label, type: "keyword" })),
    ];
    return (context) => {
      const word = context.matchBefore(/[$\w.]+/);
      return word ? { from: word.from, options, validFor: /^[$\w.]*$/ } : null;
    };
  }, [fields.data]);
}
