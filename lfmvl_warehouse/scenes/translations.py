# SPDX-License-Identifier: Apache-2.0
"""What the kinds of the warehouse are called in the other languages of LFM2-VL.

One name a kind and language, the word a warehouse worker would use. English is the language of
:mod:`lfmvl_warehouse.scenes.vocabulary`, with its colours, attributes and further names.
"""

from __future__ import annotations

from lfmvl_warehouse.scenes.vocabulary import KINDS

# In the order of KINDS: cardboard box, tote, pallet, person, forklift, traffic cone, barrel,
# crate, hand truck, bag, tape roll, fire extinguisher, robot, shelf.
_WORDS: dict[str, str] = {
    "de": "Karton, Behälter, Palette, Person, Gabelstapler, Leitkegel, Fass, Holzkiste, "
    "Sackkarre, Beutel, Klebebandrolle, Feuerlöscher, Roboter, Regal",
    "fr": "carton, bac, palette, personne, chariot élévateur, cône de signalisation, baril, "
    "caisse, diable, sac, rouleau adhésif, extincteur, robot, étagère",
    "es": "caja de cartón, cubeta, palé, persona, carretilla elevadora, cono de tráfico, barril, "
    "cajón, carretilla de mano, bolsa, rollo de cinta, extintor, robot, estantería",
    "pt": "caixa de papelão, cesto plástico, palete, pessoa, empilhadeira, cone de trânsito, "
    "tambor, caixote, carrinho de mão, saco, rolo de fita, extintor, robô, prateleira",
    "ja": "段ボール箱, コンテナ, パレット, 人, フォークリフト, 三角コーン, ドラム缶, 木箱, 台車, "
    "袋, テープ, 消火器, ロボット, 棚",
    "ko": "골판지상자, 플라스틱상자, 팔레트, 사람, 지게차, 안전콘, 드럼통, 나무상자, 손수레, "
    "자루, 테이프롤, 소화기, 로봇, 선반",
    "zh": "纸箱, 周转箱, 托盘, 人, 叉车, 交通锥, 油桶, 木箱, 手推车, 袋子, 胶带卷, 灭火器, "
    "机器人, 货架",
    "ar": "صندوق كرتون, حاوية, منصة نقالة, شخص, رافعة شوكية, مخروط مرور, برميل, صندوق خشبي, "
    "عربة يدوية, كيس, لفة شريط, طفاية حريق, روبوت, رف",
}

TRANSLATIONS: dict[str, dict[str, str]] = {
    language: dict(zip(KINDS, words.split(", "), strict=True)) for language, words in _WORDS.items()
}
"""Language (ISO 639-1) -> kind -> its name there."""
