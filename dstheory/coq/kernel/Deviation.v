(* O5: the weight that dividing by the standard deviation of a group's 0/1 rewards gives to a prompt, for groups of any size. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Groups Others.
Open Scope R_scope.

(* The mean of F over the number of right responses among G, each right with chance x. *)
Fixpoint binomial G x (F : R -> R) : R := match G with O => F 0 | S G => x * binomial G x (fun k => F (1 + k)) + (1 - x) * binomial G x F end.

Lemma binomial_ext G x : forall F H, (forall m, (m <= G)%nat -> F (INR m) = H (INR m)) -> binomial G x F = binomial G x H.
Proof.
induction G as [|G I]; intros F H E; simpl; [apply (E 0%nat); lia|].
rewrite (I F H), (I (fun k => F (1 + k)) (fun k => H (1 + k))); [reflexivity | | intros; apply E; lia].
intros m L. replace (1 + INR m) with (INR (S m)) by (rewrite S_INR; ring). apply E. lia.
Qed.
Lemma binomial_plus G x : forall F H, binomial G x (fun k => F k + H k) = binomial G x F + binomial G x H.
Proof. induction G as [|G I]; intros F H; simpl; [reflexivity|]. rewrite (I F H), (I (fun k => F (1 + k)) (fun k => H (1 + k))). ring. Qed.
Lemma binomial_scal G x : forall c F, binomial G x (fun k => c * F k) = c * binomial G x F.
Proof. induction G as [|G I]; intros c F; simpl; [reflexivity|]. rewrite (I c F), (I c (fun k => F (1 + k))). ring. Qed.
Lemma binomial_const G x c : binomial G x (fun _ => c) = c.
Proof. induction G as [|G I]; simpl; [reflexivity|]. rewrite I. ring. Qed.

(* It is at least what none right, and one right, contribute. *)
Lemma binomial_none G x : 0 <= x <= 1 -> forall F, (forall k, 0 <= F k) -> 0 <= binomial G x F /\ (1 - x) ^ G * F 0 <= binomial G x F.
Proof.
intro X. induction G as [|G I]; intros F P; simpl; [pose proof (P 0); lra|].
destruct (I F P) as [A B]. destruct (I (fun k => F (1 + k)) (fun k => P (1 + k))) as [C _]. pose proof (pow_le (1 - x) G ltac:(lra)). split; nra.
Qed.
Lemma binomial_one G x : 0 <= x <= 1 -> forall F, (forall k, 0 <= F k) -> INR (S G) * x * (1 - x) ^ G * F 1 <= binomial (S G) x F.
Proof.
intro X. induction G as [|G I]; intros F P.
- simpl. rewrite Rplus_0_r. pose proof (P 0). nra.
- change (binomial (S (S G)) x F) with (x * binomial (S G) x (fun k => F (1 + k)) + (1 - x) * binomial (S G) x F).
  destruct (binomial_none (S G) x X (fun k => F (1 + k)) (fun k => P (1 + k))) as [_ B]. rewrite Rplus_0_r in B. pose proof (I F P) as C.
  rewrite (S_INR (S G)). replace ((1 - x) ^ S G) with ((1 - x) * (1 - x) ^ G) in * by reflexivity.
  assert (x * ((1 - x) * (1 - x) ^ G * F 1) <= x * binomial (S G) x (fun k => F (1 + k))) by (apply Rmult_le_compat_l; lra).
  assert ((1 - x) * (INR (S G) * x * (1 - x) ^ G * F 1) <= (1 - x) * binomial (S G) x F) by (apply Rmult_le_compat_l; lra). lra.
Qed.
Lemma binomial_le G x : 0 <= x <= 1 -> forall F H, (forall m, (m <= G)%nat -> F (INR m) <= H (INR m)) -> binomial G x F <= binomial G x H.
Proof.
intro X. induction G as [|G I]; intros F H E; simpl; [apply (E 0%nat); lia|].
apply Rplus_le_compat; (apply Rmult_le_compat_l; [lra|]); apply I; intros m L; [|apply E; lia].
replace (1 + INR m) with (INR (S m)) by (rewrite S_INR; ring). apply E. lia.
Qed.

(* Moments, and with them the mean and the mean square of K (G - K). *)
Lemma moments G x : let m := INR G in
  binomial G x (fun k => k) = m * x
  /\ binomial G x (fun k => k ^ 2) = m * x + m * (m - 1) * x ^ 2
  /\ binomial G x (fun k => k ^ 3) = m * x + 3 * (m * (m - 1)) * x ^ 2 + m * (m - 1) * (m - 2) * x ^ 3
  /\ binomial G x (fun k => k ^ 4) = m * x + 7 * (m * (m - 1)) * x ^ 2 + 6 * (m * (m - 1) * (m - 2)) * x ^ 3 + m * (m - 1) * (m - 2) * (m - 3) * x ^ 4.
Proof.
induction G as [|G [I1 [I2 [I3 I4]]]]; [simpl; repeat split; ring|]. rewrite S_INR. cbv zeta in *. cbn [binomial].
rewrite (binomial_ext G x (fun k => 1 + k) (fun k => 1 + 1 * k)) by (intros; ring).
rewrite (binomial_ext G x (fun k => (1 + k) ^ 2) (fun k => 1 + (2 * k + k ^ 2))) by (intros; ring).
rewrite (binomial_ext G x (fun k => (1 + k) ^ 3) (fun k => 1 + (3 * k + (3 * k ^ 2 + k ^ 3)))) by (intros; ring).
rewrite (binomial_ext G x (fun k => (1 + k) ^ 4) (fun k => 1 + (4 * k + (6 * k ^ 2 + (4 * k ^ 3 + k ^ 4))))) by (intros; ring).
rewrite !binomial_plus, !binomial_scal, !binomial_const, I1, I2, I3, I4. repeat split; ring.
Qed.

(* w_G, with the sample standard deviation. *)
Definition root G k := sqrt (k * (INR G - k)).
Definition std_weight G x := sqrt ((INR G - 1) / INR G) * binomial G x (root G) / (INR G * (x * (1 - x))).

Section Prompt.
Variables (n : nat) (p r f : nat -> R).
Hypothesis sums : Sum n p = 1.
Hypothesis zero_one : binary r.
Hypothesis score : mean n p f = 0.
Hypothesis between : 0 < mean n p r < 1.
Notation E := (mean_of_groups n p).

Lemma E_binomial G : forall F, E G (fun l => F (total r l)) = binomial G (mean n p r) F.
Proof.
induction G as [|G I]; intro F; [reflexivity|]. cbn [mean_of_groups binomial total].
rewrite (Sum_ext n _ (fun i => (p i * r i) * binomial G (mean n p r) (fun k => F (1 + k)) + (p i * (1 - r i)) * binomial G (mean n p r) F)).
- rewrite Sum_plus, !Sum_scal_r. fold (mean n p r). change (Sum n (fun i => p i * (1 - r i))) with (mean n p (fun i => 1 - r i)). rewrite flip_mean by exact sums. reflexivity.
- intros i _. destruct (zero_one i) as [-> | ->].
  + rewrite (E_ext n p G _ (fun l => F (total r l))), I by (intros; f_equal; ring). ring.
  + rewrite (I (fun k => F (1 + k))). ring.
Qed.

(* The factor is 1 over the sample deviation, and 0 for groups that agree. *)
Definition over_deviation G k := if Rle_dec (dev G k) 0 then 0 else / dev G k.
Theorem std_update G : (2 <= G)%nat ->
  E G (update (fun l i => over_deviation G (total r l) * centred r l i) f) = std_weight G (mean n p r) * mean n p (fun i => r i * f i).
Proof.
intro H. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H).
rewrite (scaled_update n p sums G r f (over_deviation G) ltac:(lia) zero_one score between). f_equal.
rewrite (E_binomial G (fun k => over_deviation G k * (k * (INR G - k)))).
rewrite (binomial_ext G _ _ (fun k => sqrt (INR G * (INR G - 1)) * root G k)).
- rewrite binomial_scal. unfold std_weight. replace (sqrt (INR G * (INR G - 1))) with (INR G * sqrt ((INR G - 1) / INR G)); [field; lra|].
  rewrite <- (sqrt_square (INR G)) at 1 by lra. rewrite <- sqrt_mult; [f_equal; field; lra | nra | apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]].
- intros m L. apply le_INR in L. pose proof (pos_INR m) as M0. set (k := INR m) in *. unfold over_deviation, root.
  assert (D : dev G k = sqrt (k * (INR G - k)) / sqrt (INR G * (INR G - 1))).
  { unfold dev. rewrite <- sqrt_div; [f_equal; field; lra | apply Rmult_le_pos; lra | apply Rmult_lt_0_compat; lra]. }
  assert (W : 0 < sqrt (INR G * (INR G - 1))) by (apply sqrt_lt_R0, Rmult_lt_0_compat; lra). rewrite D.
  assert (S : sqrt (k * (INR G - k)) * sqrt (k * (INR G - k)) = k * (INR G - k)) by (apply sqrt_sqrt, Rmult_le_pos; lra).
  pose proof (sqrt_pos (k * (INR G - k))) as P. set (s := sqrt (k * (INR G - k))) in *. set (w := sqrt (INR G * (INR G - 1))) in *. rewrite <- S.
  destruct (Rle_dec (s / w) 0) as [Z|Z].
  + assert (s = 0); [|subst s; rewrite H0; ring]. assert (s / w * w = s) by (field; lra). nra.
  + assert (s <> 0) by (intro Q; apply Z; rewrite Q; unfold Rdiv; lra). field. split; lra.
Qed.
End Prompt.

(* O5: w_G is strictly below (1 - 1/G)/sqrt(x (1 - x)), and above (1 - epsilon)/sqrt(x (1 - x)) from G = (1 + 1/(2 x (1 - x)))/epsilon on. *)
Lemma root_mean G x : (2 <= G)%nat -> 0 < x < 1 -> let y := x * (1 - x) in let c := sqrt (INR G * (INR G - 1) * y) in
  (3 - ((INR G - 2) * (INR G - 3) * y + (INR G - 1)) / (INR G * (INR G - 1) * y)) / 2 <= binomial G x (root G) / c < 1.
Proof.
intros H X y c. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H). assert (Y : 0 < y) by (apply Rmult_lt_0_compat; lra).
set (q := INR G * (INR G - 1) * y). assert (Q : 0 < q) by (unfold q; repeat apply Rmult_lt_0_compat; lra).
assert (C : 0 < c) by (apply sqrt_lt_R0, Q). assert (CC : c * c = q) by (apply sqrt_sqrt; fold q; lra).
destruct (moments G x) as [M1 [M2 [M3 M4]]]. cbv zeta in *.
assert (S2 : binomial G x (fun k => k * (INR G - k)) = q).
{ rewrite (binomial_ext G x _ (fun k => INR G * k + (-1) * k ^ 2)) by (intros; ring). rewrite binomial_plus, !binomial_scal, M1, M2. unfold q, y. ring. }
assert (S4 : binomial G x (fun k => (k * (INR G - k)) ^ 2) = ((INR G - 2) * (INR G - 3) * y + (INR G - 1)) * q).
{ rewrite (binomial_ext G x _ (fun k => INR G ^ 2 * k ^ 2 + ((-2 * INR G) * k ^ 3 + k ^ 4))) by (intros; ring).
  rewrite !binomial_plus, !binomial_scal, M2, M3, M4. unfold q, y. ring. }
assert (R0 : forall m, (m <= G)%nat -> 0 <= INR m * (INR G - INR m)) by (intros m L; apply le_INR in L; pose proof (pos_INR m); apply Rmult_le_pos; lra).
split.
- apply Rle_trans with (binomial G x (fun k => (3 / (2 * q)) * (k * (INR G - k)) + (- / (2 * q ^ 2)) * (k * (INR G - k)) ^ 2)).
  + right. rewrite binomial_plus, !binomial_scal, S2, S4. fold q. field. lra.
  + replace (binomial G x (root G) / c) with (binomial G x (fun k => / c * root G k)) by (rewrite binomial_scal; unfold Rdiv; ring). apply binomial_le; [lra|]. intros m L. pose proof (sqrt_sqrt _ (R0 m L)) as SS.
    unfold root. pose proof (sqrt_pos (INR m * (INR G - INR m))) as SP. rewrite <- SS at 1 2. set (s := sqrt (INR m * (INR G - INR m))) in *.
    rewrite <- CC. set (t := s / c). assert (T : s = t * c) by (unfold t; field; lra). assert (T0 : 0 <= t) by (apply Rmult_le_pos; [exact SP | apply Rlt_le, Rinv_0_lt_compat, C]).
    rewrite T. replace (3 / (2 * (c * c)) * (t * c * (t * c)) + - / (2 * (c * c) ^ 2) * (t * c * (t * c)) ^ 2) with ((3 * t ^ 2 - t ^ 4) / 2) by (field; lra).
    replace (/ c * (t * c)) with t by (field; lra). assert (0 <= t * ((t - 1) ^ 2 * (t + 2))) by (apply Rmult_le_pos; [exact T0 | apply Rmult_le_pos; [apply pow2_ge_0 | lra]]).
    assert (t * ((t - 1) ^ 2 * (t + 2)) * (1 + t) >= 0) by nra. nra.
- apply Rle_lt_trans with (binomial G x (fun k => (1 / 2 + / (2 * q) * (k * (INR G - k))) + (- / 2) * is k 0)).
  + replace (binomial G x (root G) / c) with (binomial G x (fun k => / c * root G k)) by (rewrite binomial_scal; unfold Rdiv; ring). apply binomial_le; [lra|]. intros m L. pose proof (sqrt_sqrt _ (R0 m L)) as SS.
    unfold root. pose proof (sqrt_pos (INR m * (INR G - INR m))) as SP. unfold is. destruct (Req_EM_T (INR m) 0) as [Z|Z].
    * rewrite Z, Rmult_0_l, sqrt_0. lra.
    * rewrite <- SS at 2. set (s := sqrt (INR m * (INR G - INR m))) in *. rewrite <- CC. set (t := s / c). assert (T : s = t * c) by (unfold t; field; lra).
      rewrite T. replace (/ (2 * (c * c)) * (t * c * (t * c))) with (t ^ 2 / 2) by (field; lra). replace (/ c * (t * c)) with t by (field; lra).
      pose proof (pow2_ge_0 (t - 1)). lra.
  + rewrite !binomial_plus, !binomial_scal, binomial_const, S2.
    assert (P : 0 < binomial G x (fun k => is k 0)).
    { destruct (binomial_none G x ltac:(lra) (fun k => is k 0) ltac:(intro k; unfold is; destruct (Req_EM_T k 0); lra)) as [_ B]. rewrite is_same in B. pose proof (pow_lt (1 - x) G ltac:(lra)). lra. }
    replace (/ (2 * q) * q) with (1 / 2) by (field; lra). lra.
Qed.

Lemma std_weight_form G x : (2 <= G)%nat -> 0 < x < 1 -> let y := x * (1 - x) in
  std_weight G x = (1 - 1 / INR G) / sqrt y * (binomial G x (root G) / sqrt (INR G * (INR G - 1) * y)).
Proof.
intros H X y. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H). assert (Y : 0 < y) by (apply Rmult_lt_0_compat; lra). unfold std_weight. fold y.
rewrite sqrt_div by lra. rewrite !sqrt_mult by (try lra; apply Rmult_le_pos; lra).
assert (A : sqrt (INR G) * sqrt (INR G) = INR G) by (apply sqrt_sqrt; lra). assert (B : sqrt (INR G - 1) * sqrt (INR G - 1) = INR G - 1) by (apply sqrt_sqrt; lra).
assert (D : sqrt y * sqrt y = y) by (apply sqrt_sqrt; lra).
assert (A0 : 0 < sqrt (INR G)) by (apply sqrt_lt_R0; lra). assert (B0 : 0 < sqrt (INR G - 1)) by (apply sqrt_lt_R0; lra). assert (D0 : 0 < sqrt y) by (apply sqrt_lt_R0; lra).
set (g := sqrt (INR G)) in *. set (h := sqrt (INR G - 1)) in *. set (z := sqrt y) in *. replace (1 - 1 / INR G) with (h * h / (g * g)) by (rewrite A, B; field; lra).
rewrite <- D. rewrite <- A. field. lra.
Qed.

Theorem std_weight_bounds G x : (2 <= G)%nat -> 0 < x < 1 -> let y := x * (1 - x) in
  0 < std_weight G x < (1 - 1 / INR G) / sqrt y
  /\ forall eps, 0 < eps -> (1 + 1 / (2 * y)) / eps <= INR G -> (1 - eps) / sqrt y < std_weight G x.
Proof.
intros H X y. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H). assert (Y : 0 < y) by (apply Rmult_lt_0_compat; lra).
assert (D0 : 0 < sqrt y) by (apply sqrt_lt_R0, Y). pose proof (root_mean G x H X) as [L U]. cbv zeta in L, U. fold y in L, U.
rewrite (std_weight_form G x H X). fold y. set (b := binomial G x (root G) / sqrt (INR G * (INR G - 1) * y)) in *.
assert (IG : 0 < / INR G <= / 2) by (split; [apply Rinv_0_lt_compat; lra | apply Rinv_le_contravar; lra]).
assert (IY : 0 < / y) by (apply Rinv_0_lt_compat, Y). assert (IS : 0 < / sqrt y) by (apply Rinv_0_lt_compat, D0).
assert (P : 0 < b).
{ unfold b. apply Rdiv_lt_0_compat; [|apply sqrt_lt_R0; repeat apply Rmult_lt_0_compat; lra]. destruct G as [|m]; [lia|].
  pose proof (binomial_one m x ltac:(lra) (root (S m)) ltac:(intro; apply sqrt_pos)) as O.
  assert (0 < root (S m) 1) by (apply sqrt_lt_R0; lra). pose proof (pow_lt (1 - x) m ltac:(lra)).
  assert (0 < INR (S m) * x * (1 - x) ^ m * root (S m) 1) by (repeat apply Rmult_lt_0_compat; lra). lra. }
assert (Q : 0 < (1 - 1 / INR G) / sqrt y) by (unfold Rdiv; apply Rmult_lt_0_compat; lra). split; [split|].
- apply Rmult_lt_0_compat; assumption.
- rewrite <- (Rmult_1_r ((1 - 1 / INR G) / sqrt y)) at 2. apply Rmult_lt_compat_l; assumption.
- intros eps E B. apply Rmult_lt_reg_r with (sqrt y); [exact D0|].
  replace ((1 - 1 / INR G) / sqrt y * b * sqrt y) with ((1 - 1 / INR G) * b) by (field; split; lra). replace ((1 - eps) / sqrt y * sqrt y) with (1 - eps) by (field; lra).
  assert (B1 : / INR G + / INR G * / y / 2 <= eps).
  { apply Rmult_le_reg_r with (INR G); [lra|]. replace ((/ INR G + / INR G * / y / 2) * INR G) with (1 + 1 / (2 * y)) by (field; lra).
    apply (Rmult_le_compat_r eps) in B; [|lra]. replace ((1 + 1 / (2 * y)) / eps * eps) with (1 + 1 / (2 * y)) in B by (field; lra). lra. }
  assert (L1 : 1 - / INR G * / y / 2 < b).
  { eapply Rlt_le_trans; [|exact L]. replace ((3 - ((INR G - 2) * (INR G - 3) * y + (INR G - 1)) / (INR G * (INR G - 1) * y)) / 2)
      with (1 - / INR G * / y / 2 + (2 * INR G - 3) / (INR G * (INR G - 1))) by (field; lra).
    assert (0 < (2 * INR G - 3) / (INR G * (INR G - 1))) by (apply Rdiv_lt_0_compat; [lra | apply Rmult_lt_0_compat; lra]). lra. }
  assert (0 < / INR G * / y) by (apply Rmult_lt_0_compat; lra). unfold Rdiv in *. nra.
Qed.

(* So it tends to 1/sqrt(x (1 - x)). *)
Theorem std_weight_limit x : 0 < x < 1 -> is_lim_seq (fun G => std_weight G x) (1 / sqrt (x * (1 - x))).
Proof.
intro X. set (y := x * (1 - x)). assert (Y : 0 < y) by (apply Rmult_lt_0_compat; lra). set (c := 1 + 1 / (2 * y)).
assert (C : 0 < c) by (unfold c; pose proof (Rdiv_lt_0_compat 1 (2 * y) ltac:(lra) ltac:(lra)); lra).
assert (D0 : 0 < sqrt y) by (apply sqrt_lt_R0, Y).
assert (I : is_lim_seq (fun G => / INR G) 0) by (apply (is_lim_seq_inv INR p_infty); [apply is_lim_seq_INR | discriminate]).
apply is_lim_seq_le_le_loc with (u := fun G => (1 - c * / INR G) * / sqrt y) (w := fun G => (1 - 1 * / INR G) * / sqrt y).
- exists 2%nat. intros G H. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H). destruct (std_weight_bounds G x H X) as [[_ U] L]. fold y in U, L.
  assert (IG : 0 < / INR G) by (apply Rinv_0_lt_compat; lra). split.
  + apply Rlt_le. replace ((1 - c * / INR G) * / sqrt y) with ((1 - c / INR G) / sqrt y) by reflexivity.
    apply L; [apply Rdiv_lt_0_compat; lra|]. fold c. right. field. lra.
  + unfold Rdiv in U. lra.
- replace (Finite (1 / sqrt y)) with (Finite ((1 - c * 0) * / sqrt y)) by (f_equal; field; lra).
  apply is_lim_seq_mult'; [|apply is_lim_seq_const]. apply is_lim_seq_minus'; [apply is_lim_seq_const|]. apply is_lim_seq_mult'; [apply is_lim_seq_const | exact I].
- replace (Finite (1 / sqrt y)) with (Finite ((1 - 1 * 0) * / sqrt y)) by (f_equal; field; lra).
  apply is_lim_seq_mult'; [|apply is_lim_seq_const]. apply is_lim_seq_minus'; [apply is_lim_seq_const|]. apply is_lim_seq_mult'; [apply is_lim_seq_const | exact I].
Qed.

(* O5-small: in groups of two and of three the weight is one number; in any larger ones it depends on the prompt. *)
Theorem small_groups x : 0 < x < 1 -> std_weight 2 x = 1 / sqrt 2 /\ std_weight 3 x = 2 / sqrt 3.
Proof.
intro X. assert (Y : 0 < x * (1 - x)) by (apply Rmult_lt_0_compat; lra). unfold std_weight, root. simpl.
replace (0 * (1 + 1 - 0)) with 0 by ring. replace (0 * (1 + 1 + 1 - 0)) with 0 by ring.
replace ((1 + 0) * (1 + 1 - (1 + 0))) with 1 by ring. replace ((1 + (1 + 0)) * (1 + 1 - (1 + (1 + 0)))) with 0 by ring.
replace ((1 + 0) * (1 + 1 + 1 - (1 + 0))) with 2 by ring. replace ((1 + (1 + 0)) * (1 + 1 + 1 - (1 + (1 + 0)))) with 2 by ring.
replace ((1 + (1 + (1 + 0))) * (1 + 1 + 1 - (1 + (1 + (1 + 0))))) with 0 by ring. rewrite sqrt_0, sqrt_1.
assert (A : sqrt 2 * sqrt 2 = 2) by (apply sqrt_sqrt; lra). assert (B : 0 < sqrt 2) by (apply sqrt_lt_R0; lra). assert (C : 0 < sqrt 3) by (apply sqrt_lt_R0; lra). split.
- replace ((1 + 1 - 1) / (1 + 1)) with (1 / 2) by field. rewrite sqrt_div, sqrt_1 by lra. field. lra.
- replace ((1 + 1 + 1 - 1) / (1 + 1 + 1)) with (2 / 3) by field. rewrite sqrt_div by lra. set (s := sqrt 2) in *.
  transitivity (s * s / sqrt 3); [field; lra | rewrite A; reflexivity].
Qed.

Theorem larger_groups G : (4 <= G)%nat -> exists x, 0 < x < 1 / 2 /\ std_weight G (1 / 2) < std_weight G x.
Proof.
intro H. assert (G4 : 4 <= INR G) by (apply le_INR in H; simpl in H; lra). set (u := std_weight G (1 / 2)).
destruct (std_weight_bounds G (1 / 2) ltac:(lia) ltac:(lra)) as [[U0 U] _]. fold u in U0, U.
assert (Q : sqrt (1 / 2 * (1 - 1 / 2)) = 1 / 2) by (replace (1 / 2 * (1 - 1 / 2)) with ((1 / 2) * (1 / 2)) by field; apply sqrt_square; lra). rewrite Q in U.
assert (SS : sqrt (INR G) * sqrt (INR G) = INR G) by (apply sqrt_sqrt; lra).
assert (S2 : 2 <= sqrt (INR G)) by (replace 2 with (sqrt 4); [apply sqrt_le_1_alt, G4 | replace 4 with (2 * 2) by ring; apply sqrt_square; lra]).
set (s := sqrt (INR G)) in *. set (L := (INR G - 1) / s).
assert (UL : u < L).
{ eapply Rlt_le_trans; [exact U|]. unfold L. rewrite <- SS. replace ((1 - 1 / (s * s)) / (1 / 2)) with ((s * s - 1) / s * (2 / s)) by (field; lra).
  rewrite <- (Rmult_1_r ((s * s - 1) / s)) at 2. apply Rmult_le_compat_l; [apply Rmult_le_pos; [nra | apply Rlt_le, Rinv_0_lt_compat; lra]|].
  apply Rmult_le_reg_r with s; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
set (x := (L - u) / (2 * L * (INR G - 2))).
assert (D : 0 < 2 * L * (INR G - 2)) by (apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; lra | lra]).
assert (XD : x * (2 * L * (INR G - 2)) = L - u) by (unfold x; field; split; lra).
assert (X : 0 < x < 1 / 2).
{ split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (2 * L * (INR G - 2)); [exact D|]. rewrite XD. nra. }
exists x. split; [exact X|]. clearbody x. destruct G as [|[|m]]; try lia.
pose proof (binomial_one (S m) x ltac:(lra) (root (S (S m))) ltac:(intro; apply sqrt_pos)) as O.
assert (R : root (S (S m)) 1 = sqrt (INR (S (S m)) - 1)) by (unfold root; f_equal; ring).
assert (Bern : 1 - INR m * x <= (1 - x) ^ m).
{ clear - X. induction m as [|m I]; [simpl; lra|]. rewrite S_INR. rewrite <- tech_pow_Rmult. pose proof (pos_INR m).
  assert (0 <= (1 - x) * ((1 - x) ^ m - (1 - INR m * x))) by (apply Rmult_le_pos; lra).
  assert (0 <= INR m * (x * x)) by (apply Rmult_le_pos; [assumption | apply Rlt_le, Rmult_lt_0_compat; lra]). lra. }
assert (M2 : INR m = INR (S (S m)) - 2) by (rewrite !S_INR; ring). set (g := INR (S (S m))) in *.
assert (W : L * (1 - x) ^ m <= std_weight (S (S m)) x).
{ unfold std_weight. fold g. set (b := binomial (S (S m)) x (root (S (S m)))) in *.
  assert (K : 0 < sqrt ((g - 1) / g)) by (apply sqrt_lt_R0, Rdiv_lt_0_compat; lra). assert (Y : 0 < g * (x * (1 - x))) by (apply Rmult_lt_0_compat; [lra | apply Rmult_lt_0_compat; lra]).
  apply Rmult_le_reg_r with (g * (x * (1 - x))); [exact Y|].
  replace (sqrt ((g - 1) / g) * b / (g * (x * (1 - x))) * (g * (x * (1 - x)))) with (sqrt ((g - 1) / g) * b) by (field; repeat split; lra).
  apply Rle_trans with (sqrt ((g - 1) / g) * (g * x * (1 - x) ^ S m * root (S (S m)) 1)); [|apply Rmult_le_compat_l; lra].
  right. rewrite R, sqrt_div by lra. fold s. unfold L. assert (T : sqrt (g - 1) * sqrt (g - 1) = g - 1) by (apply sqrt_sqrt; lra).
  set (t := sqrt (g - 1)) in *. rewrite <- T. rewrite <- tech_pow_Rmult. field. lra. }
eapply Rlt_le_trans; [|exact W]. apply Rlt_le_trans with (L * (1 - INR m * x)); [|apply Rmult_le_compat_l; lra]. rewrite M2. nra.
Qed.

(* O5-options: the population deviation, epsilon, groups that agree, and the credit of a single success. *)
Definition population_dev G k := sqrt ((k * (1 - k / INR G) ^ 2 + (INR G - k) * (0 - k / INR G) ^ 2) / INR G).
Theorem population_deviation G k : (2 <= G)%nat -> 0 < k < INR G -> / population_dev G k = sqrt (INR G / (INR G - 1)) * / dev G k.
Proof.
intros H B. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H). unfold population_dev, dev.
replace ((k * (1 - k / INR G) ^ 2 + (INR G - k) * (0 - k / INR G) ^ 2) / INR G) with (k * (INR G - k) / INR G / INR G) by (field; lra).
replace ((k * (1 - k / INR G) ^ 2 + (INR G - k) * (0 - k / INR G) ^ 2) / (INR G - 1)) with (k * (INR G - k) / INR G / (INR G - 1)) by (field; lra).
assert (Q : 0 < k * (INR G - k) / INR G) by (apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat|]; lra). set (q := k * (INR G - k) / INR G) in *.
rewrite !sqrt_div by lra. assert (0 < sqrt q) by (apply sqrt_lt_R0, Q). assert (0 < sqrt (INR G)) by (apply sqrt_lt_R0; lra). assert (0 < sqrt (INR G - 1)) by (apply sqrt_lt_R0; lra).
field. repeat split; lra.
Qed.

(* The weight of scaled_update in Groups.v for a factor h of the number of right responses; here one over the deviation plus e. *)
Definition weight_of G x (h : R -> R) := binomial G x (fun k => h k * (k * (INR G - k))) / (INR G ^ 2 * (x * (1 - x))).
Definition softened G e k := if Rle_dec (dev G k) 0 then 0 else / (dev G k + e).
Theorem epsilon_lowers G x eps : (2 <= G)%nat -> 0 < x < 1 -> 0 < eps -> weight_of G x (softened G eps) < weight_of G x (softened G 0).
Proof.
intros H X E. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H). unfold weight_of, Rdiv.
apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat; apply Rmult_lt_0_compat; [apply pow_lt; lra | apply Rmult_lt_0_compat; lra]|].
assert (Ab : forall e, binomial G x (fun k => softened G e k * (k * (INR G - k))) = binomial G x (fun k => softened G e k * Rabs (k * (INR G - k)))).
{ intro e. apply binomial_ext. intros m L. apply le_INR in L. pose proof (pos_INR m). rewrite Rabs_pos_eq; [reflexivity | apply Rmult_le_pos; lra]. }
rewrite !Ab. unfold softened.
set (F := fun e k => (if Rle_dec (dev G k) 0 then 0 else / (dev G k + e)) * Rabs (k * (INR G - k))).
assert (P : forall k, 0 <= F 0 k + (-1) * F eps k).
{ intro k. unfold F. destruct (Rle_dec (dev G k) 0) as [Z|Z]; [lra|]. pose proof (Rabs_pos (k * (INR G - k))).
  assert (/ (dev G k + eps) < / (dev G k + 0)) by (apply Rinv_lt_contravar; [apply Rmult_lt_0_compat|]; lra). nra. }
destruct G as [|m]; [lia|]. pose proof (binomial_one m x ltac:(lra) (fun k => F 0 k + (-1) * F eps k) P) as O. rewrite binomial_plus, binomial_scal in O.
assert (Q : 0 < F 0 1 + (-1) * F eps 1).
{ unfold F. assert (D : 0 < dev (S m) 1).
  { unfold dev. apply sqrt_lt_R0. replace ((1 * (1 - 1 / INR (S m)) ^ 2 + (INR (S m) - 1) * (0 - 1 / INR (S m)) ^ 2) / (INR (S m) - 1)) with (1 / INR (S m)) by (field; lra).
    apply Rdiv_lt_0_compat; lra. }
  destruct (Rle_dec (dev (S m) 1) 0) as [Z|Z]; [lra|]. assert (/ (dev (S m) 1 + eps) < / (dev (S m) 1 + 0)) by (apply Rinv_lt_contravar; [apply Rmult_lt_0_compat|]; lra).
  assert (0 < Rabs (1 * (INR (S m) - 1))) by (rewrite Rabs_pos_eq; lra). nra. }
pose proof (pow_lt (1 - x) m ltac:(lra)). assert (0 < INR (S m) * x * (1 - x) ^ m * (F 0 1 + (-1) * F eps 1)) by (repeat apply Rmult_lt_0_compat; lra).
unfold F in *. lra.
Qed.

(* Whatever the factor, a group whose rewards agree adds nothing. *)
Theorem agreeing_groups r f h l : binary r -> total r l = 0 \/ total r l = size l -> update (fun l i => h (total r l) * centred r l i) f l = 0.
Proof.
intros B A. unfold update. replace (total (fun i => h (total r l) * centred r l i * f i) l) with 0; [unfold Rdiv; ring|].
transitivity (total (fun _ => 0) l); [clear; induction l as [|i l I]; simpl; lra|]. apply total_ext. intros i J.
assert (N : size l <> 0). { unfold size. destruct l as [|j l]; [destruct J|]. change (length (j :: l)) with (S (length l)). apply not_0_INR. lia. }
assert (Z : centred r l i = 0); [|rewrite Z; ring]. unfold centred. destruct A as [A|A].
- destruct (B i) as [X|X]; [rewrite X, A; field; exact N|]. exfalso. exact (reached r l i B J X A).
- destruct (B i) as [X|X]; [|rewrite X, A; field; exact N]. exfalso.
  apply (reached (fun i => 1 - r i) l i); [intro j; destruct (B j) as [-> | ->]; [right | left]; ring | exact J | rewrite X; ring | rewrite total_flip, A; ring].
Qed.

Theorem single_success G eps : (2 <= G)%nat -> 0 <= eps -> (1 - 1 / INR G) / (dev G 1 + eps) < sqrt (INR G).
Proof.
intros H E. assert (G2 : 2 <= INR G) by (apply (le_INR 2), H).
assert (D : dev G 1 * sqrt (INR G) = 1).
{ unfold dev. replace ((1 * (1 - 1 / INR G) ^ 2 + (INR G - 1) * (0 - 1 / INR G) ^ 2) / (INR G - 1)) with (1 / INR G) by (field; lra).
  rewrite <- sqrt_mult; [|apply Rlt_le, Rdiv_lt_0_compat; lra | lra]. transitivity (sqrt 1); [f_equal; field; lra | apply sqrt_1]. }
assert (S : 0 < sqrt (INR G)) by (apply sqrt_lt_R0; lra). assert (D0 : 0 < dev G 1) by nra.
apply Rmult_lt_reg_r with (dev G 1 + eps); [lra|]. unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l by lra.
assert (0 < 1 / INR G) by (apply Rdiv_lt_0_compat; lra). nra.
Qed.
